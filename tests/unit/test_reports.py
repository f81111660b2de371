"""A sensor tells what is new, repeats what stays, and does not flood the event log."""

import time
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.sensors import reports
from pipeline_assets.sensors.reports import Reports


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "watch" / "sensor.json"


def tick(file: Path, lag: int, *, repeat: bool = True) -> int:
    told = Reports(file)
    told.add(dg.AssetObservation("unified", metadata={"lag": lag}), {"lag": lag}, repeat=repeat)
    return len(told.result().asset_events)


def test_only_news_is_reported(file: Path) -> None:
    assert [tick(file, lag) for lag in (5, 5, 6)] == [1, 0, 1]


def test_what_stays_is_told_again_after_a_while(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tick(file, 5)
    monkeypatch.setattr(reports, "REPEAT_SECONDS", 0.0)
    assert tick(file, 5) == 1
    assert tick(file, 5, repeat=False) == 0


def test_news_that_comes_too_often_is_told_now_and_then(file: Path) -> None:
    def busy(lag: int) -> int:
        told = Reports(file)
        told.add(dg.AssetObservation("unified"), {"lag": lag}, pause=300)
        return len(told.result().asset_events)

    assert [busy(1), busy(2)] == [1, 0]


def test_what_was_told_before_its_asset_was_made_anew_is_told_again(file: Path) -> None:
    def look(since: float) -> int:
        told = Reports(file)
        told.add(
            dg.AssetCheckEvaluation(asset_key=dg.AssetKey("kafka"), check_name="one", passed=True), {}, since=since
        )
        return len(told.result().asset_events)

    now = time.time()
    assert [look(0), look(now - 10), look(now + 10)] == [1, 0, 1]


def test_two_checks_of_one_asset_are_told_apart() -> None:
    told = Reports()
    for name in ("one", "two"):
        told.add(dg.AssetCheckEvaluation(asset_key=dg.AssetKey("kafka"), check_name=name, passed=True), {"found": []})
    assert len(told.result().asset_events) == 2


def test_memory_lasts_from_tick_to_tick(file: Path) -> None:
    told = Reports(file)
    told.memory["orders.union"] = [("raw.orders.store", 0, 17)]
    assert told.result().cursor is None
    assert Reports(file).memory == {"orders.union": [["raw.orders.store", 0, 17]]}


def test_a_file_that_was_cut_off_only_makes_everything_news(file: Path) -> None:
    tick(file, 5)
    file.write_text(file.read_text()[:20])
    assert tick(file, 5) == 1
