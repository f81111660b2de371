"""Dagster on the running stack: what its UI does and shows is what is there."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewTopic, ResourceType
from overriding import set_config
from slowness import slowness
from webserver import LOCATION, Evaluation, Webserver, eventually

from dropless import names
from dropless.settings import Settings
from resources.platform import LocalPlatform

KAFKA = ("platform", "kafka")
HEARTBEAT = names.heartbeat_topic("orders", "store")
TICK_SECONDS = 30
SENSORS = (
    *("alerts", "consumer_lag", "dead_letters", "drift_and_repair", "durability", "flow", "heartbeat", "processes"),
    *("events", "lake_merge", "retention", "row_repairs"),
)


def test_the_code_location_is_loaded_and_its_sensors_run(web: Webserver) -> None:
    [repository] = web.ask(LOCATION)["repositoriesOrError"]["nodes"]
    assert repository["location"]["name"] == "dropless"
    status = {sensor["name"]: sensor["sensorState"]["status"] for sensor in repository["sensors"]}
    assert status == dict.fromkeys(SENSORS, "RUNNING")


def test_provisioning_again_changes_nothing_and_is_quick(web: Webserver) -> None:
    first = web.run("provision")
    assert first.succeeded, first.failures
    again = web.run("provision")
    assert again.succeeded, again.failures
    assert again.seconds < 20 * slowness()
    for key in (KAFKA, ("topic", "unified.orders"), ("connector", "orders.store"), ("orders", "pinot_table")):
        made = web.materialization(*key)
        assert made is not None
        assert (made["run"], made["changes"]) == (again.id, 0)
        assert made["version"]


def test_nothing_has_drifted_after_provisioning(web: Webserver) -> None:
    keys = [KAFKA, ("topic", "raw.orders.store"), ("connector", "orders.webshop"), ("orders", "union_worker")]
    run = web.run(checks=[(key, "plan_is_empty") for key in keys])
    assert run.succeeded, run.failures
    found = {key: web.evaluation(key, "plan_is_empty") for key in keys}
    assert {key: each and each.status for key, each in found.items()} == dict.fromkeys(keys, "SUCCEEDED")


def test_drift_is_shown_property_by_property_and_repaired_by_materialising(web: Webserver, kafka: AdminClient) -> None:
    key = ("topic", HEARTBEAT)
    set_config(kafka, ResourceType.TOPIC, HEARTBEAT, "min.insync.replicas", "1")
    assert web.run(checks=[(key, "plan_is_empty")]).succeeded
    drift = web.evaluation(key, "plan_is_empty")
    assert drift is not None
    assert (drift.status, drift.severity) == ("FAILED", "WARN")
    assert drift.description == f"{HEARTBEAT}: config/min.insync.replicas is 1, declared 2."
    assert f"| update | {HEARTBEAT} | config/min.insync.replicas | 1 | 2 |" in drift.table

    repaired = web.run(assets=[key])
    assert repaired.succeeded, repaired.failures
    made = web.materialization(*key)
    assert made is not None
    assert (made["run"], made["changes"]) == (repaired.id, 1)
    assert "config/min.insync.replicas" in made["plan"]
    assert web.run(checks=[(key, "plan_is_empty")]).succeeded
    after = web.evaluation(key, "plan_is_empty")
    assert after is not None
    assert after.status == "SUCCEEDED"


def seen(web: Webserver, check: str, status: str, since: float) -> Evaluation:
    def look() -> Evaluation | None:
        newest = web.evaluation(KAFKA, check)
        return newest if newest and newest.at >= since and newest.status == status else None

    return eventually(look, 2 * TICK_SECONDS + 10)


@pytest.fixture
def unreplicated(kafka: AdminClient) -> Iterator[str]:
    name = "test.dagster.unreplicated"
    kafka.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])[name].result(10)
    yield name
    kafka.delete_topics([name])[name].result(10)


@pytest.fixture
def unflushed(kafka: AdminClient) -> Iterator[str]:
    name = names.dead_topic("orders")
    set_config(kafka, ResourceType.TOPIC, name, "flush.ms", "3600000")
    yield name
    set_config(kafka, ResourceType.TOPIC, name, "flush.ms", None)


def test_a_broken_promise_of_durability_is_reported_within_two_ticks(
    web: Webserver, unreplicated: str, unflushed: str
) -> None:
    began = time.time()
    replicas = seen(web, "three_replicas", "FAILED", since=began)
    assert replicas.severity == "ERROR"
    assert f"topic {unreplicated}, partition 0" in replicas.table
    settings = seen(web, "topics_keep_the_table", "FAILED", since=began)
    assert f"topic {unflushed}, flush.ms | 100 | 3600000" in settings.table


def test_a_promise_that_holds_again_is_reported_too(web: Webserver) -> None:
    began = time.time()
    for check in ("three_replicas", "topics_keep_the_table"):
        newest = web.evaluation(KAFKA, check)
        assert newest is not None
        if newest.status != "SUCCEEDED":
            assert seen(web, check, "SUCCEEDED", since=began)


def test_what_flows_shows_that_it_is_alive(web: Webserver) -> None:
    pinot = eventually(lambda: web.materialization("pinot", "orders"), 2 * TICK_SECONDS)
    assert pinot["dagster/row_count"] > 0
    assert "| store |" in pinot["rows_by_source"]
    lake = eventually(lambda: web.materialization("lake", "orders_changes"), 2 * TICK_SECONDS)
    assert lake["dagster/row_count"] >= pinot["dagster/row_count"]
    for topic in ("raw.orders.store", "raw.orders.webshop", "raw.orders.marketplace", "unified.orders"):
        assert eventually(lambda topic=topic: web.materialization("kafka", topic), 2 * TICK_SECONDS)


def test_a_complete_table_stays_fresh_though_nothing_happens(web: Webserver) -> None:
    first = eventually(lambda: web.materialization("pinot", "orders"), 2 * TICK_SECONDS)

    def later() -> bool:
        newest = web.materialization("pinot", "orders")
        return newest is not None and newest["at"] > first["at"]

    assert eventually(later, 2 * TICK_SECONDS)


@pytest.mark.parametrize("key", [("kafka", "unified.orders"), ("pinot", "orders"), ("lake", "orders_changes")])
def test_every_reader_is_watched(web: Webserver, key: tuple[str, ...]) -> None:
    found = eventually(lambda: web.evaluation(key, "reader_keeps_moving"), 2 * TICK_SECONDS)
    assert found.status == "SUCCEEDED", found.description


def test_dagster_fits_in_its_memory(settings: Settings) -> None:
    resident = {each.name: each.resident_bytes for each in LocalPlatform(settings).status() if each.system == "dagster"}
    assert len(resident) == 3
    assert sum(resident.values()) < 900 * 2**20, resident


def test_no_password_is_in_dagster_s_files_or_commands(settings: Settings) -> None:
    secrets = [path.read_bytes().strip() for path in settings.secrets.iterdir()]
    files = [path for path in (settings.data / "dagster").rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert not any(secret in content for secret in secrets), path
    pids = [each.pid for each in LocalPlatform(settings).status() if each.system == "dagster" and each.pid]
    for pid in pids:
        command = " ".join(psutil.Process(pid).cmdline()).encode()
        assert not any(secret in command for secret in secrets)


def test_the_audit_accounts_for_every_record(web: Webserver) -> None:
    run = web.run("audit")
    assert run.succeeded, run.failures
    found = web.evaluation(("kafka", "unified.orders"), "each_record_once")
    assert found is not None
    assert found.status == "SUCCEEDED", found.description
    assert found.description.startswith("Nothing wrong in ")


def test_dead_letters_are_replayed_by_a_job(web: Webserver) -> None:
    run = web.run("replay_dead_letters")
    assert run.succeeded, run.failures
