"""More broken promises on the running stack, those that take a restart or a process of one's own.

Each is reported within two ticks; what is safe to repair is repaired by the job, and what needs a restart by
materialising the system.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient
from kafka import TopicPartition as Place
from seeing import TICK_SECONDS, Check, newest, two_ticks
from webserver import Key, Webserver, eventually

from dropless import durability, names
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from local_stack.process import Process
from resources.cluster import ClusterView
from resources.features import finalized_features
from resources.platform import LocalPlatform
from resources.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(480)]

KAFKA: Key = ("platform", "kafka")
CONNECT: Key = ("platform", "kafka_connect")
UNION: Key = ("orders", "union_worker")
LAKE: Key = ("orders", "lake_writer")
UNIFIED: Key = ("kafka", "unified.orders")
ELR = "eligible.leader.replicas.version"
PLACED = "unified.orders"
LAST_BROKER = "kafka-broker-3"
HERE = Path(__file__).parent


class Processes:
    """The stack's processes, started otherwise than they should be."""

    def __init__(self, settings: Settings) -> None:
        self.platform = LocalPlatform(settings)

    def named(self, name: str) -> Process:
        return next(each for each in self.platform.processes if each.name == name)

    def configure(self, name: str, setting: str, value: str) -> None:
        """Write another value into a process's file, as somebody with an editor would."""
        [file] = self.named(name).files
        lines = [line for line in file.path.read_text().splitlines() if not line.startswith(f"{setting}=")]
        file.path.write_text("\n".join([*lines, f"{setting}={value}", ""]))

    def pid(self, name: str) -> int:
        return next(each.pid for each in self.platform.status() if each.name == name)

    def restart(self, name: str) -> None:
        self.platform.supervisor.stop(name)
        self.platform.supervisor.start_program(name)

    def loosen(self, name: str) -> None:
        """Start one of our processes with a weakened table."""
        process = self.named(name)
        module = process.argv.index("-m")
        argv = (sys.executable, str(HERE / "loose.py"), *process.argv[module + 1 :])
        self.platform.supervisor.remove(name)
        self.platform.supervisor.put(replace(process, argv=argv), 999)
        self.platform.supervisor.start_program(name)


@pytest.fixture
def processes(settings: Settings) -> Processes:
    return Processes(settings)


def finalise(endpoints: Endpoints, feature: str, level: int, how: str) -> None:
    client = KafkaAdminClient(**durability.reassignment_client(endpoints))
    try:
        assert client.update_features({feature: (how, level)}) == {feature: "OK"}
    finally:
        client.close()


def lead_all_by(endpoints: Endpoints, topic: str, broker: int) -> None:
    """Make one broker the preferred leader of every partition; no replica moves."""
    cluster = ClusterView(endpoints).cluster()
    [found] = [each for each in cluster.topics if each.name == topic]
    wanted = {
        Place(topic, each.number): [broker, *(other for other in sorted(each.replicas) if other != broker)]
        for each in found.partitions
    }
    client = KafkaAdminClient(**durability.reassignment_client(endpoints))
    try:
        client.alter_partition_reassignments(wanted)
    finally:
        client.close()


@contextmanager
def stranger_in(group: str, topic: str, endpoints: Endpoints) -> Iterator[None]:
    """Somebody joins one of our groups with a console, and stays."""
    config = durability.consumer(endpoints, group, "console")
    consumer = Consumer(config)
    consumer.subscribe([topic])
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            consumer.poll(0.2)
        consumer.close()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def offset_beyond(kafka: AdminClient, group: str, topic: str, endpoints: Endpoints) -> Iterator[None]:
    """Somebody has put a group behind the end of a topic."""
    end = ClusterView(endpoints).ends([(topic, 0)])[topic, 0]

    def put(offset: int) -> None:
        request = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, offset)])
        kafka.alter_consumer_group_offsets([request])[group].result()

    put(end + 1000)
    try:
        yield
    finally:
        put(end)


def seen_failing(web: Webserver, expected: dict[Check, str], began: float) -> None:
    found = eventually(newest(web, expected, began, "FAILED"), two_ticks())
    for check, where in expected.items():
        assert where in found[check].table + found[check].description, check


def test_weakened_features_clients_groups_and_placement_are_reported_in_two_ticks_and_repaired(
    web: Webserver, kafka: AdminClient, endpoints: Endpoints, processes: Processes
) -> None:
    lake_group, union_group = names.lake_group("orders"), names.union_group("orders")
    by_job: dict[Check, str] = {
        (KAFKA, "features_protect_data"): f"the cluster, feature {ELR} | 1 or later | 0",
        (("topic", PLACED), "plan_is_empty"): "broker 2 leads",
    }
    by_restart: dict[Check, str] = {
        (CONNECT, "workers_keep_the_table"): "worker kafka-connect-1, producer.acks | all | 1",
        (UNION, "clients_keep_the_table"): "its producer, max.in.flight.requests.per.connection | 1 | 5",
        (LAKE, "clients_keep_the_table"): "its consumer, enable.auto.commit | false | true",
    }
    for_people: dict[Check, str] = {
        (UNIFIED, "groups_are_ours"): f"group {union_group}, client console",
        (UNIFIED, "offsets_are_in_range"): f"group {lake_group}, unified.orders[0]",
    }
    processes.configure("kafka-connect-1", "producer.acks", "1")
    processes.restart("kafka-connect-1")
    processes.loosen("union-orders-0")
    processes.loosen("lake-orders")
    processes.platform.wait_healthy("union", 60)
    finalise(endpoints, ELR, 0, "SAFE_DOWNGRADE")
    lead_all_by(endpoints, PLACED, 2)
    with (
        stranger_in(union_group, "raw.orders.webshop", endpoints),
        offset_beyond(kafka, lake_group, "unified.orders", endpoints),
    ):
        began = time.time()
        seen_failing(web, by_job | by_restart | for_people, began)
    repaired = web.run("repair")
    assert repaired.succeeded, repaired.failures
    assert finalized_features(endpoints)[ELR] == 1
    restarted = web.run(assets=[CONNECT, UNION, LAKE])
    assert restarted.succeeded, restarted.failures
    assert eventually(newest(web, by_job | by_restart | for_people, began, "SUCCEEDED"), two_ticks())


def test_a_stopped_broker_and_one_that_makes_topics_by_accident_are_reported_in_two_ticks(
    web: Webserver, endpoints: Endpoints, processes: Processes
) -> None:
    away: dict[Check, str] = {
        (KAFKA, "brokers_answer"): "the cluster | 3 brokers that answer | 1, 2",
        (KAFKA, "all_in_sync"): "behind or away: broker 3",
        (KAFKA, "answers"): "2 of 3 brokers",
    }
    back: dict[Check, str] = {
        (KAFKA, "new_topics_are_born_safe"): "broker 3, auto.create.topics.enable | false | true",
        (KAFKA, "preferred_leaders_lead"): "led by their preferred replica | led by another",
    }
    watching = processes.pid("dagster-code-1")
    began = time.time()
    processes.platform.supervisor.stop(LAST_BROKER)
    seen_failing(web, away, began)
    processes.configure(LAST_BROKER, "auto.create.topics.enable", "true")
    processes.platform.supervisor.start_program(LAST_BROKER)
    processes.platform.wait_healthy("kafka", 60)
    seen_failing(web, back, began)
    restarted = web.run(assets=[KAFKA])
    assert restarted.succeeded, restarted.failures
    processes.platform.wait_healthy("kafka", 60)
    until("The replicas", lambda: in_sync(endpoints), TICK_SECONDS)
    repaired = web.run("repair")
    assert repaired.succeeded, repaired.failures
    assert eventually(newest(web, away | back, began, "SUCCEEDED"), two_ticks())
    # Coordinators that moved have not taken those with them who asked.
    assert processes.pid("dagster-code-1") == watching


def in_sync(endpoints: Endpoints) -> str | None:
    behind = [
        f"{topic.name}[{each.number}]"
        for topic in ClusterView(endpoints).cluster().topics
        for each in topic.partitions
        if set(each.in_sync) != set(each.replicas)
    ]
    return f"{len(behind)} partitions are behind" if behind else None
