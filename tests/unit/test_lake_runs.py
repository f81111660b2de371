"""What Dagster's runs do to a lake, as a run does it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from contracts import ORDERS_FILE
from deltalake import DeltaTable
from lake_folder import FolderLake, change

from dropless.contract import parse_contract
from dropless.errors import DroplessError
from dropless.lake import catalogue
from dropless.lake.catalogue import Entry
from dropless.lake.maintenance import waiting_seconds
from dropless.lake.store import Store
from pipeline_assets.definitions import definitions
from pipeline_assets.sensors import watching
from pipeline_assets.sensors.lake_merge import judged, run_key

CONTRACT = parse_contract(ORDERS_FILE)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderLake:
    made = FolderLake(tmp_path / "lake")
    monkeypatch.setenv("DROPLESS_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(Store, "pipeline", lambda *_, **__: made.store)

    def find(store: Any, name: str) -> Entry:
        return Entry(name, name, changes=f"{name}_changes" if name == "orders" else None)

    monkeypatch.setattr(catalogue, "find", find)
    return made


@pytest.fixture(scope="module")
def found() -> dg.Definitions:
    return definitions()


def run(found: dg.Definitions, job: str, instance: dg.DagsterInstance, **how: Any) -> dg.ExecuteInProcessResult:
    return found.resolve_job_def(job).execute_in_process(instance=instance, **how)


def metadata(result: dg.ExecuteInProcessResult, *key: str) -> dict[str, Any]:
    [event] = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(list(key))]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_runs_merge_tidy_and_build_what_changed(lake: FolderLake, found: dg.Definitions, tmp_path: Path):
    instance = dg.DagsterInstance.local_temp(str(tmp_path))
    lake.append(change(key, key + 1) | {"currency": "EUR", "customer_id": "k@example.org"} for key in range(100))
    told = metadata(run(found, "merge_lake", instance), "lake", "orders")
    assert (told["changes"], told["dagster/row_count"], told["commits"]) == (100, 100, 1)
    told = metadata(run(found, "lake_compaction", instance), "orders", "lake_compaction")
    assert told["files"] == 2
    assert "| orders_changes | 1 | 100 | 1 |" in told["tables"]
    assert run(found, "lake_cleaning", instance).success

    built = run(found, "build_customers", instance)
    told = metadata(built, "lake", "curated", "customers")
    assert told["dagster/row_count"] == 1
    assert "example.org" not in told["preview"]
    assert [each.passed for each in built.get_asset_check_evaluations()] == [True, True]

    resources = {"installation": found.resources["installation"]}
    schedule = found.resolve_schedule_def("build_daily_sales_schedule")

    def tick() -> dg.RunRequest:
        context = dg.build_schedule_context(instance=instance, resources=resources)
        [request] = schedule.evaluate_tick(context).run_requests or []
        return request

    def sales() -> dict[str, Any]:
        request = tick()
        result = run(found, "build_daily_sales", instance, run_config=request.run_config, tags=dict(request.tags))
        [event, *_] = result.get_asset_materialization_events()
        return {name: value.value for name, value in event.materialization.metadata.items()}

    assert sales()["parts"] == "2026-01-01, 2026-02-01, 2026-03-01"
    assert instance.get_dynamic_partitions("curated_daily_sales") == ["2026-01-01", "2026-02-01", "2026-03-01"]
    lake.append([change(40, 500) | {"currency": "EUR"}])
    run(found, "merge_lake", instance)
    assert sales()["parts"] == "2026-02-01"
    assert sales()["parts"] == "none"
    version = DeltaTable(lake.store.uri("curated/daily_sales")).version()
    again = run(found, "build_daily_sales", instance, partition_key="2026-03-01")
    assert metadata(again, "lake", "curated", "daily_sales")["parts"] == "2026-03-01"
    assert DeltaTable(lake.store.uri("curated/daily_sales")).version() == version + 1


def test_a_merge_is_asked_for_once_and_more_rarely_where_it_fails():
    began = 1_000_000.0
    asked = [run_key("orders", began + waits, waits, 120) for waits in range(0, 4 * 3600, 15)]
    assert asked[: 48 // 15 + 1] == [None] * (48 // 15 + 1)
    distinct = list(dict.fromkeys(each for each in asked if each))
    assert 8 <= len(distinct) <= 14
    assert run_key("orders", began + 60, 60, 120) != run_key("orders", began + 60, 55, 120)


def test_the_check_says_when_merges_do_not_keep_up():
    assert judged(None, CONTRACT).passed
    assert judged(100.0, CONTRACT).passed
    late = judged(200.0, CONTRACT)
    assert not late.passed
    assert "longer than 120 s" in late.description
    assert not judged(DroplessError("The lake is away."), CONTRACT).passed


def test_the_sensor_asks_for_the_table_whose_changes_have_waited(
    lake: FolderLake, found: dg.Definitions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    instance = dg.DagsterInstance.local_temp(str(tmp_path))
    sensor = found.resolve_sensor_def("lake_merge")
    repository = found.get_repository_def()

    def look() -> list[dg.RunRequest]:
        monkeypatch.setattr(watching, "installation", lambda: found.resources["installation"])
        context = dg.build_sensor_context(instance=instance, repository_def=repository)
        return list(sensor.evaluate_tick(context).run_requests or [])

    lake.append([change(1, 1)])
    assert look() == []
    # The package shows the function under the module's name.
    monkeypatch.setattr(
        sys.modules[run_key.__module__], "waiting_seconds", lambda *a: waiting_seconds(*a[:2], a[2] + 60)
    )
    [request] = look()
    assert request.asset_selection == [dg.AssetKey(["lake", "orders"])]
    # None is all of them, and a reconciliation is one.
    assert request.asset_check_keys == []
    run(found, "merge_lake", instance)
    assert look() == []
