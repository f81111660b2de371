"""What Dagster is given: every asset, check, job and sensor, and how they hang together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from syrupy.assertion import SnapshotAssertion

from dropless.errors import ContractError
from dropless.settings import PROJECT
from pipeline_assets import keys
from pipeline_assets.definitions import definitions

pytestmark = [
    # Dagster's words; pydantic's own deprecations inside Dagster are not ours to end.
    pytest.mark.filterwarnings("error:.*is deprecated and will be removed in:DeprecationWarning"),
    pytest.mark.filterwarnings("error::FutureWarning"),
]

SMALL = """
type: pipeline_assets.components.UnifiedTable
attributes:
  name: {name}
  columns:
    - {{name: number, type: string, nullable: false}}
    - {{name: seen_at, type: timestamp, nullable: false}}
  time_column: seen_at
  sources:
"""
TABLE = """
    - name: {name}
      postgresql: {{database: {name}, table: public.visits, key: [id]}}
      columns: {{number: id, seen_at: at}}
"""


@pytest.fixture
def contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with fixed folders and ports, and its folder of contracts."""
    monkeypatch.setenv("DROPLESS_STATE", "/srv/dropless")
    monkeypatch.setenv("DROPLESS_CACHE", "/srv/cache")
    monkeypatch.setenv("DROPLESS_PORT_BASE", "17000")
    monkeypatch.setenv("DROPLESS_TOPOLOGY", "compact")
    monkeypatch.setenv("DROPLESS_CONTRACTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def own_contracts(contracts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same installation with the contracts of this project."""
    monkeypatch.delenv("DROPLESS_CONTRACTS")


def declare(folder: Path, name: str, sources: list[str]) -> None:
    text = SMALL.format(name=name) + "".join(TABLE.format(name=source) for source in sources)
    (folder / name).mkdir()
    (folder / name / "defs.yaml").write_text(text)


def loaded() -> dg.Definitions:
    return definitions()


def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in loaded().resolve_all_asset_specs()}


def shown(spec: dg.AssetSpec) -> dict[str, Any]:
    own = {name: value for name, value in spec.metadata.items() if not name.startswith("dagster/c")}
    schema = spec.metadata.get("dagster/column_schema")
    policy = spec.freshness_policy
    return {
        "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
        "group": spec.group_name,
        "kinds": sorted(spec.kinds),
        "owners": list(spec.owners),
        "tags": {name: value for name, value in spec.tags.items() if not name.startswith("dagster/kind")},
        "description": spec.description,
        "has_code_version": spec.code_version is not None,
        "metadata": sorted(own),
        "columns": [f"{each.name} {each.type}" for each in schema.columns] if schema else None,
        "freshness": str(policy) if policy else None,
    }


@pytest.mark.usefixtures("own_contracts")
def test_assets(snapshot: SnapshotAssertion) -> None:
    assert {key: shown(spec) for key, spec in sorted(specs().items())} == snapshot


@pytest.mark.usefixtures("own_contracts")
def test_checks(snapshot: SnapshotAssertion) -> None:
    graph = loaded().resolve_asset_graph()
    found = {key.to_user_string(): graph.get_check_spec(key).description for key in graph.asset_check_keys}
    assert dict(sorted(found.items())) == snapshot


@pytest.mark.usefixtures("own_contracts")
def test_jobs_and_their_steps_in_order(snapshot: SnapshotAssertion) -> None:
    found = loaded()
    jobs = {name: found.resolve_job_def(name) for name in ("provision", "find_drift")}
    assert {
        name: {"description": job.description, "steps": [node.name for node in job.graph.nodes_in_topological_order]}
        for name, job in jobs.items()
    } == snapshot


@pytest.mark.usefixtures("own_contracts")
def test_sensors(snapshot: SnapshotAssertion) -> None:
    sensors = loaded().get_repository_def().sensor_defs
    assert {
        each.name: {
            "description": each.description,
            "interval": each.minimum_interval_seconds,
            "status": each.default_status.value,
        }
        for each in sensors
    } == snapshot


@pytest.mark.usefixtures("own_contracts")
@pytest.mark.parametrize(("switch", "status"), [(None, "RUNNING"), ("off", "STOPPED")])
def test_schedules_run_from_the_start_unless_they_are_switched_off(
    monkeypatch: pytest.MonkeyPatch, switch: str | None, status: str
) -> None:
    monkeypatch.delenv("DROPLESS_SCHEDULES", raising=False)
    if switch:
        monkeypatch.setenv("DROPLESS_SCHEDULES", switch)
    found = {each.name: each.default_status.value for each in loaded().get_repository_def().schedule_defs}
    assert found
    assert set(found.values()) == {status}


@pytest.mark.usefixtures("own_contracts")
def test_every_asset_is_described_and_grouped() -> None:
    for key, spec in specs().items():
        assert spec.description, key
        assert spec.group_name != "default", key
        assert spec.kinds, key


@pytest.mark.usefixtures("own_contracts")
def test_a_row_s_way_leads_from_every_source_to_the_analysts_and_the_lake() -> None:
    graph = loaded().resolve_asset_graph()
    for source in ("store", "webshop", "marketplace"):
        start = dg.AssetSelection.assets(keys.source("orders", source))
        reached = start.downstream(include_self=False).resolve(graph)
        assert {keys.pinot_table("orders"), keys.lake_changes("orders")} <= reached


@pytest.mark.usefixtures("own_contracts")
def test_nothing_that_flows_is_ever_run() -> None:
    graph = loaded().resolve_asset_graph()
    flowing = {
        spec.key
        for spec in specs().values()
        if spec.group_name == "orders" and spec.tags.get("dropless/made_by") != "lake"
    }
    assert flowing
    assert not flowing & graph.materializable_asset_keys


@pytest.mark.usefixtures("own_contracts")
def test_all_that_can_be_made_is_made_by_the_job() -> None:
    found = loaded()
    made = found.resolve_job_def("provision").asset_layer.selected_asset_keys
    of_the_lake = {spec.key for spec in specs().values() if spec.tags.get("dropless/made_by") == "lake"}
    assert keys.lake_table("orders") in of_the_lake
    assert made == found.resolve_asset_graph().materializable_asset_keys - of_the_lake


@pytest.mark.parametrize("sources", [["one"], ["one", "two", "three", "four"]])
def test_another_folder_is_another_table(contracts: Path, sources: list[str]) -> None:
    declare(contracts, "visits", sources)
    found = specs()
    assert found["pinot/visits"].group_name == "visits"
    assert len([key for key in found if key.startswith("source/visits/")]) == len(sources)
    upstream = {dep.asset_key.to_user_string() for dep in found["kafka/unified.visits"].deps}
    assert {f"kafka/raw.visits.{source}" for source in sources} <= upstream
    assert not any("orders" in key for key in found)


def test_two_tables_live_side_by_side(contracts: Path) -> None:
    declare(contracts, "visits", ["one"])
    declare(contracts, "returns", ["one", "two"])
    found = specs()
    assert {"pinot/visits", "pinot/returns"} <= set(found)
    assert {spec.group_name for spec in found.values()} == {
        "platform",
        *("visits", "visits_provisioning", "returns", "returns_provisioning"),
    }


def test_other_definitions_may_lie_beside_the_tables(contracts: Path) -> None:
    declare(contracts, "visits", ["one"])
    (contracts / "curated").mkdir()
    (contracts / "curated" / "daily.py").write_text(
        "import dagster as dg\n\n@dg.asset(deps=[['lake', 'visits']])\ndef daily_visits() -> None: ...\n"
    )
    found = specs()
    assert [dep.asset_key for dep in found["daily_visits"].deps] == [keys.lake_table("visits")]


def test_without_a_table_there_is_still_a_platform(contracts: Path) -> None:
    assert {spec.group_name for spec in specs().values()} == {"platform"}


def test_a_mistake_in_a_contract_is_told_with_its_line(contracts: Path) -> None:
    declare(contracts, "visits", ["one"])
    path = contracts / "visits" / "defs.yaml"
    path.write_text(path.read_text().replace("type: timestamp", "type: datetime"))
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if "datetime" in text)
    with pytest.raises(ContractError, match=rf"{path}:{line}: "):
        loaded()


def test_nothing_is_read_from_the_environment_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    code = "import pipeline_assets.definitions, pipeline_assets.components"
    environment = {"DROPLESS_PORT_BASE": "nonsense", "DROPLESS_CONTRACTS": "/nowhere", "PATH": ""}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=PROJECT)
