"""Broken promises on the running stack: each is reported within two ticks, and what can safely be repaired is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, ResourceType
from overriding import set_config
from seeing import TICK_SECONDS, Check, newest, two_ticks
from slowness import slowness
from suspending import suspended
from webserver import Key, Webserver, eventually

from dropless import databases, names
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from resources.platform import LocalPlatform

KAFKA: Key = ("platform", "kafka")
UNIFIED: Key = ("kafka", "unified.orders")
STORE: Key = ("connector", "orders.store")
CHANGES: Key = ("lake", "orders_changes")
PINOT_TABLE: Key = ("orders", "pinot_table")
STRANGER = "test.watch.stranger"
TWO = "test.watch.two-replicas"


@contextmanager
def two_replicas(kafka: AdminClient) -> Iterator[None]:
    kafka.create_topics([NewTopic(TWO, num_partitions=1, replication_factor=2)])[TWO].result(10)
    try:
        yield
    finally:
        kafka.delete_topics([TWO])[TWO].result(10)


@contextmanager
def stranger(kafka: AdminClient, endpoints: Endpoints) -> Iterator[None]:
    config = {"bootstrap.servers": endpoints.kafka, "group.id": STRANGER, "enable.auto.commit": True}
    consumer = Consumer(config)
    consumer.commit(offsets=[TopicPartition("unified.orders", 0, 1)], asynchronous=False)
    consumer.close()
    try:
        yield
    finally:
        kafka.delete_consumer_groups([STRANGER])[STRANGER].result(10)


def change_connector(endpoints: Endpoints, setting: str, value: str) -> None:
    url = f"{endpoints.kafka_connect[0]}/connectors/orders.store/config"
    config = httpx.get(url, trust_env=False).json() | {setting: value}
    httpx.put(url, json=config, timeout=90, trust_env=False).raise_for_status()


def change_pinot(endpoints: Endpoints, setting: str, value: str) -> None:
    url = f"{endpoints.pinot_controller}/tables/orders"
    table: dict[str, Any] = httpx.get(url, trust_env=False).json()["REALTIME"]
    table["tableIndexConfig"]["streamConfigs"][setting] = value
    httpx.put(url, json=table, timeout=30, trust_env=False).raise_for_status()


def test_every_broken_promise_is_reported_in_two_ticks_and_repaired(
    web: Webserver, kafka: AdminClient, settings: Settings, endpoints: Endpoints
) -> None:
    dead = names.dead_topic("orders")
    repairable: dict[Check, str] = {
        (KAFKA, "topics_keep_the_table"): f"topic {dead}, flush.ms | 100 | 3600000",
        (KAFKA, "brokers_keep_the_table"): "broker 2, log.flush.interval.ms | 100 | 3600000",
        (STORE, "connector_keeps_the_table"): "connector orders.store, its producer, acks | all | 1",
        (PINOT_TABLE, "consumer_keeps_the_table"): "stream.kafka.isolation.level | read_committed | read_uncommitted",
    }
    gone: dict[Check, str] = {
        (("connector", "orders.webshop"), "connector_works"): "There is no connector orders.webshop: provision it.",
    }
    for_people: dict[Check, str] = {
        (KAFKA, "three_replicas"): f"topic {TWO}, partition 0",
        (UNIFIED, "no_strange_readers"): f"group {STRANGER}",
    }
    with two_replicas(kafka), stranger(kafka, endpoints):
        set_config(kafka, ResourceType.TOPIC, dead, "flush.ms", "3600000")
        set_config(kafka, ResourceType.BROKER, "2", "log.flush.interval.ms", "3600000")
        change_connector(endpoints, "producer.override.acks", "1")
        change_pinot(endpoints, "stream.kafka.isolation.level", "read_uncommitted")
        LocalPlatform(settings).supervisor.stop("lake-orders")
        httpx.delete(f"{endpoints.kafka_connect[0]}/connectors/orders.webshop", timeout=30, trust_env=False)
        began = time.time()
        stopped: Check = (("orders", "lake_writer"), "processes_stay_up")
        expected = repairable | gone | for_people | {stopped: "lake-orders is STOPPED."}
        found = eventually(newest(web, list(expected), began, "FAILED"), two_ticks())
        for check, where in expected.items():
            assert where in found[check].table + found[check].description, check
        warnings = [check for check, each in found.items() if each.severity != "ERROR"]
        assert warnings == [(UNIFIED, "no_strange_readers")]

        repaired = web.run("repair")
        assert repaired.succeeded, repaired.failures
        # Its check may go on to warn: whoever restarted it before counts, too.
        LocalPlatform(settings).wait_healthy("lake_writer", TICK_SECONDS)
        assert eventually(newest(web, list(repairable | gone), began, "SUCCEEDED"), two_ticks())
    assert eventually(newest(web, list(for_people), began, "SUCCEEDED"), two_ticks())


def test_what_is_silent_is_reported_and_what_only_says_that_it_runs_is_not_believed(
    web: Webserver, settings: Settings, endpoints: Endpoints
) -> None:
    with databases.postgresql(endpoints, "store", "admin") as connection:
        [sender] = connection.execute(
            "select active_pid from pg_replication_slots where slot_name = %s", [names.slot("orders", "store")]
        ).fetchone() or [0]
    silent = [each.pid for each in LocalPlatform(settings).status() if each.name in ("minio-1", "schema-registry-1")]
    expected: list[Check] = [
        (STORE, "connector_works"),
        (UNIFIED, "heartbeats_arrive"),
        (("platform", "minio"), "answers"),
        (("platform", "schema_registry"), "answers"),
    ]
    began = time.time()
    with suspended(sender, *silent):
        found = eventually(newest(web, expected, began, "FAILED"), two_ticks())
    assert "RUNNING, but nothing has arrived from it for" in found[STORE, "connector_works"].description
    assert found[STORE, "connector_works"].at - began < TICK_SECONDS + 10
    assert "store: connector orders.store holds it up" in found[UNIFIED, "heartbeats_arrive"].description
    assert eventually(newest(web, expected, time.time(), "SUCCEEDED"), two_ticks())
    slow = [tick for tick in web.ticks() if tick.seconds > 15]
    assert slow == []


def touch(endpoints: Endpoints) -> None:
    """A few changes: a stage that has nothing to do holds nothing up."""
    with databases.postgresql(endpoints, "store", "admin") as connection:
        connection.execute("update orders set total_cents = total_cents where id <= 10")


def test_the_stage_that_holds_rows_up_is_named(web: Webserver, settings: Settings, endpoints: Endpoints) -> None:
    pids = {each.name: each.pid for each in LocalPlatform(settings).status()}
    arrives = "heartbeats_arrive"
    shown: dict[str, Key] = {"the union": UNIFIED, "Pinot": ("pinot", "orders"), "the lake writer": CHANGES}
    began = time.time()
    with suspended(pids["union-orders-0"]):
        touch(endpoints)
        # Nothing comes out of the union, so all that follows it waits for it.
        found = eventually(newest(web, [(key, arrives) for key in shown.values()], began, "FAILED"), two_ticks())
        said = [found[key, arrives].description for key in shown.values()]
        assert all("store: the union holds it up" in each for each in said), said
        # Twenty seconds are allowed, and a look is ten seconds after the one before.
        assert found[UNIFIED, arrives].at - began < 35 * slowness()
    assert eventually(newest(web, [(key, arrives) for key in shown.values()], began, "SUCCEEDED"), two_ticks())

    began, waiting = time.time(), ("Pinot", "the lake writer")
    moves: Check = (CHANGES, "reader_keeps_moving")
    # What goes on all the while, such as the union, is not told again.
    late = [*((shown[each], arrives) for each in waiting), moves]
    with suspended(pids["lake-orders"], pids["pinot-1"]):
        touch(endpoints)
        found = eventually(newest(web, late, began, "FAILED"), two_ticks() + 15)
        for each in waiting:
            assert f"store: {each} holds it up" in found[shown[each], arrives].description
        assert "The lake writer has records to read and does not move: unified.orders" in found[moves].description
    assert eventually(newest(web, late, began, "SUCCEEDED"), two_ticks())
