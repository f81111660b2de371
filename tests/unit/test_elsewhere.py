"""What is declared where the systems run elsewhere, as on Kubernetes: no process, and a union on ksqlDB."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from contracts import SENSORS, contract, endpoints, orders

from dropless import desired
from dropless.endpoints import Endpoints
from dropless.ksqldb.inexpressible import Inexpressible
from dropless.kubernetes.addresses import addresses
from dropless.kubernetes.engines import on_ksqldb, unfit
from dropless.kubernetes.generated import endpoints as told
from dropless.kubernetes.generated import values
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import provisionable, releases
from dropless.settings import Settings, Topology
from pipeline_assets import platform
from pipeline_assets.definitions import definitions
from resources.installed import known, processes

TABLE = """
type: pipeline_assets.components.UnifiedTable
attributes:
  name: visits
  columns:
    - {name: number, type: string, nullable: false}
    - {name: seen_at, type: timestamp, nullable: false}
  time_column: seen_at
  sources:
    - name: shop
      postgresql: {database: shop, table: public.visits, key: [id]}
      columns: {number: id, seen_at: at}
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The endpoints that the chart writes, of an installation of one table, which ksqlDB unites."""
    folder = tmp_path / "contracts"
    (folder / "visits").mkdir(parents=True)
    (folder / "visits" / "defs.yaml").write_text(TABLE)
    file = tmp_path / "endpoints.json"
    file.write_text(json.dumps(told(addresses(Installation()), ["visits"]) | {"secrets": str(tmp_path)}))
    for name in ("kafka_password", "pinot_pipeline"):
        (tmp_path / name).write_text("kept\n")
    monkeypatch.setenv("DROPLESS_CONTRACTS", str(folder))
    monkeypatch.setenv("DROPLESS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("DROPLESS_ENDPOINTS", str(file))
    monkeypatch.setenv("DROPLESS_KAFKA_USER", "dagster")
    return folder


def test_dagster_declares_queries_in_the_place_of_workers(elsewhere: Path):
    made = definitions()
    assets = {spec.key.to_user_string(): spec for spec in made.resolve_all_asset_specs()}
    assert "visits/union_worker" not in assets
    needed = {dep.asset_key.to_user_string() for dep in assets["visits/union_queries"].deps}
    assert {"topic/raw.visits.shop", "topic/unified.visits", "visits/pinot_table", "visits/lake_writer"} <= needed
    united = {dep.asset_key.to_user_string() for dep in assets["kafka/unified.visits"].deps}
    assert united == {"kafka/raw.visits.shop", "visits/union_queries"}


def test_dagster_has_ksqldb_let_go_of_what_workers_unite(elsewhere: Path, tmp_path: Path):
    file = tmp_path / "endpoints.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"ksqldb_tables": []}))
    repository = definitions().get_repository_def()
    made = {key.to_user_string() for key in repository.asset_graph.materializable_asset_keys}
    assert "visits/union_worker" in made
    assert "visits/union_queries" not in made
    checks = {(key.asset_key.to_user_string(), key.name) for key in repository.asset_graph.asset_check_keys}
    assert ("visits/union_worker", "plan_is_empty") in checks
    file.write_text(json.dumps(json.loads(file.read_text()) | {"ksqldb": []}))
    made = {key.to_user_string() for key in definitions().get_repository_def().asset_graph.materializable_asset_keys}
    assert "visits/union_worker" not in made


def test_dagster_makes_no_process_there_and_watches_the_systems_all_the_same(elsewhere: Path):
    repository = definitions().get_repository_def()
    made = {key.to_user_string() for key in repository.asset_graph.materializable_asset_keys}
    assert {"visits/union_queries", "visits/pinot_table", "topic/unified.visits", "bucket/lake"} <= made
    assert not {"platform/kafka", "visits/lake_writer"} & made
    checks = {(key.asset_key.to_user_string(), key.name) for key in repository.asset_graph.asset_check_keys}
    assert ("platform/kafka", "answers") in checks
    assert ("platform/kafka", "processes_stay_up") not in checks
    assert ("visits/union_queries", "plan_is_empty") in checks


def test_on_a_cluster_that_is_ours_dagster_installs_the_releases(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "installation.yaml"
    file.write_text("{size: laptop, external: {minio: {address: 'https://s3.example'}}}")
    monkeypatch.setenv("DROPLESS_INSTALLATION", str(file))
    repository = definitions().get_repository_def()
    made = {key.to_user_string() for key in repository.asset_graph.materializable_asset_keys}
    assert {"platform/kafka", "platform/rest_proxy", "platform/pipeline", "topic/rest.probe"} <= made
    assert "platform/minio" not in made
    checks = {(key.asset_key.to_user_string(), key.name) for key in repository.asset_graph.asset_check_keys}
    assert {
        ("platform/kafka", "plan_is_empty"),
        ("platform/rest_proxy", "a_record_goes_through"),
        ("platform/lenses", "its_agent_sees_kafka"),
    } <= checks


def test_every_release_but_those_for_a_person_is_some_assets():
    told = Installation()
    named = {system.name for system in (*platform.SYSTEMS, *platform.ON_KUBERNETES)}
    inside = {each.name for name in named for each in provisionable(told, name)}
    assert {each.name for each in releases(told)} - inside == {
        "foundation",
        "strimzi-operator",
        "postgresql-operator",
        "mongodb-operator",
        "dagster",
    }


def test_pinots_password_is_read_where_pinot_asks_for_one(elsewhere: Path, tmp_path: Path):
    settings = Settings(tmp_path, tmp_path, elsewhere, 17000, Topology.COMPACT)
    assert Endpoints.load(settings).pinot_login == ("pipeline", "kept")
    assert Endpoints.local(settings).pinot_login is None


def test_there_is_no_process_to_plan(elsewhere: Path, tmp_path: Path):
    settings = Settings(tmp_path, tmp_path, elsewhere, 17000, Topology.COMPACT)
    assert processes(settings) == []
    assert "process" not in known(settings, endpoints())


def test_ksqldb_is_asked_for_the_tables_that_it_unites_and_no_others():
    at = replace(endpoints(), ksqldb=("http://ksqldb:8088",), ksqldb_tables=("readings",))
    kinds = [each.kind for each in desired.everything([contract(SENSORS)], at)]
    assert kinds[-5:] == ["ksqldb_stream"] * 4 + ["ksqldb_mapping"]
    # Of those that workers unite it is asked whether it has let go of them; where there is none, it is not asked.
    others = [each for each in desired.everything([orders()], at) if each.system == "ksqldb"]
    assert [(each.name, each.properties["queries"]) for each in others] == [
        (f"orders.{source.name}", {}) for source in orders().sources
    ]
    assert not [each for each in desired.everything([orders()], endpoints()) if each.system == "ksqldb"]


def test_a_table_that_ksqldb_cannot_unite_is_the_workers():
    tables = [contract(SENSORS), orders()]
    assert isinstance(unfit(orders()), Inexpressible)
    assert on_ksqldb(Installation(), tables) == ["readings"]
    made = values("pipeline", Installation(), tables)
    assert made["union"]["tables"] == ["orders"]
    assert made["endpoints"]["ksqldb_tables"] == ["readings"]


def test_with_workers_as_the_engine_ksqldb_unites_nothing():
    installation = Installation.model_validate({"union": {"engine": "worker"}})
    made = values("pipeline", installation, [contract(SENSORS), orders()])
    assert made["union"]["tables"] == ["readings", "orders"]
    assert made["endpoints"]["ksqldb_tables"] == []


def test_a_contract_that_ksqldb_can_no_longer_unite_says_so_before_anything_is_done():
    at = replace(endpoints(), ksqldb=("http://ksqldb:8088",), ksqldb_tables=("orders",))
    with pytest.raises(Inexpressible, match=r"'details'.*Leave this table to the worker"):
        desired.everything([orders()], at)


def test_the_repair_job_needs_no_supervisor(elsewhere: Path):
    assert isinstance(definitions().resolve_job_def("repair"), dg.JobDefinition)
