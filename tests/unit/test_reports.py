"""A sensor tells what is new, repeats what stays, and does not flood the event log."""

import dagster as dg
import pytest

from pipeline_assets.sensors import reports
from pipeline_assets.sensors.reports import Reports


def tick(cursor: str | None, lag: int, *, repeat: bool = True) -> tuple[int, str | None]:
    told = Reports(cursor)
    told.add(dg.AssetObservation("unified", metadata={"lag": lag}), {"lag": lag}, repeat=repeat)
    result = told.result()
    return len(result.asset_events), result.cursor


def test_only_news_is_reported() -> None:
    first, cursor = tick(None, 5)
    same, cursor = tick(cursor, 5)
    other, _ = tick(cursor, 6)
    assert (first, same, other) == (1, 0, 1)


def test_what_stays_is_told_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    _, cursor = tick(None, 5)
    monkeypatch.setattr(reports, "REPEAT_SECONDS", 0.0)
    assert tick(cursor, 5)[0] == 1
    assert tick(cursor, 5, repeat=False)[0] == 0


def test_news_that_comes_too_often_is_told_now_and_then() -> None:
    def busy(cursor: str | None, lag: int) -> Reports:
        told = Reports(cursor)
        told.add(dg.AssetObservation("unified"), {"lag": lag}, pause=300)
        return told

    first = busy(None, 1).result()
    assert len(first.asset_events) == 1
    assert len(busy(first.cursor, 2).result().asset_events) == 0


def test_two_checks_of_one_asset_are_told_apart() -> None:
    told = Reports(None)
    for name in ("one", "two"):
        told.add(dg.AssetCheckEvaluation(asset_key=dg.AssetKey("kafka"), check_name=name, passed=True), {"found": []})
    assert len(told.result().asset_events) == 2


def test_memory_lasts_from_tick_to_tick() -> None:
    told = Reports(None)
    told.memory["orders.union"] = [("raw.orders.store", 0, 17)]
    assert Reports(told.result().cursor).memory == {"orders.union": [["raw.orders.store", 0, 17]]}
