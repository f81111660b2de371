"""What the sensors do with Dagster's own memory: alerts from failed checks, and a history that stays short."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets import housekeeping
from pipeline_assets.sensors.alerts import problems
from pipeline_assets.sensors.watching import made_by_runs

KAFKA, PINOT = dg.AssetKey(["platform", "kafka"]), dg.AssetKey(["pinot", "orders"])
SYNC, FRESH = dg.AssetCheckKey(KAFKA, "all_in_sync"), dg.AssetCheckKey(PINOT, "fresh_enough")
DAY = 24 * 3600.0


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A real instance on SQLite."""
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


def judge(instance: dg.DagsterInstance, check: dg.AssetCheckKey, *, passed: bool, risk: bool = True) -> None:
    severity = dg.AssetCheckSeverity.ERROR if risk else dg.AssetCheckSeverity.WARN
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=check.asset_key, check_name=check.name, passed=passed, severity=severity, description="broker 2"
        )
    )


def test_only_data_at_risk_is_a_problem(instance: dg.DagsterInstance) -> None:
    judge(instance, SYNC, passed=False)
    judge(instance, FRESH, passed=False, risk=False)
    [found] = problems(instance, [SYNC, FRESH])
    assert (found.id, found.title, found.detail) == (
        "platform/kafka:all_in_sync", "platform/kafka: all in sync: no", "broker 2",
    )  # fmt: skip
    judge(instance, SYNC, passed=True)
    assert problems(instance, [SYNC, FRESH]) == []


def test_only_what_a_run_has_made_makes_checks_old(instance: dg.DagsterInstance) -> None:
    @dg.asset(key=KAFKA)
    def kafka() -> None: ...

    before = time.time()
    dg.materialize([kafka], instance=instance)
    instance.report_runless_asset_event(dg.AssetMaterialization(PINOT))
    made = made_by_runs(instance, [KAFKA, PINOT, dg.AssetKey("never")])
    assert made.keys() == {KAFKA}
    assert made[KAFKA] >= before


def events(instance: dg.DagsterInstance) -> dict[str, int]:
    return {
        "materialisations": len(instance.fetch_materializations(PINOT, limit=5000).records),
        "evaluations": len(instance.event_log_storage.get_asset_check_execution_history(SYNC, limit=5000)),
    }


def test_old_events_go_and_the_newest_of_each_kind_stays(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(30):
        instance.report_runless_asset_event(dg.AssetMaterialization(PINOT, metadata={"x": "y" * 20_000}))
        judge(instance, SYNC, passed=True)
    run = dg.execute_job
    assert run(dg.reconstructable(job), instance=instance).success
    assert events(instance) == {"materialisations": 30, "evaluations": 30}

    before = size(instance)
    in_nine_days(monkeypatch)
    assert run(dg.reconstructable(job), instance=instance).success
    assert events(instance) == {"materialisations": 1, "evaluations": 1}
    assert problems(instance, [SYNC]) == []
    assert size(instance) < before - 20 * 20_000


def job() -> dg.JobDefinition:
    return housekeeping.prune_history


def in_nine_days(monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(housekeeping.datetime):
        @classmethod
        def now(cls, tz: object = None) -> Later:  # type: ignore[override]
            return cls.fromtimestamp(time.time() + 9 * DAY, tz)  # type: ignore[arg-type]

    monkeypatch.setattr(housekeeping, "datetime", Later)


def size(instance: dg.DagsterInstance) -> int:
    return sum(each.stat().st_size for each in Path(instance.root_directory).rglob("*.db*"))
