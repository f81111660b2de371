"""A tick of every sensor ends within seconds: over a thousand partitions, and whatever system is silent."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from differing import Known
from watching import Watch, watch

from dropless import desired, names
from dropless.contract import Contract, parse_contract
from dropless.settings import Settings
from resources.platform import LocalPlatform
from resources.provisioning import provision
from resources.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

WIDE = """
type: pipeline_assets.components.UnifiedTable
attributes:
  name: wide
  columns:
    - {name: number, type: long}
    - {name: seen_at, type: timestamp, nullable: false}
  time_column: seen_at
  partitions: 200
  sources:
    - {name: a, postgresql: {database: nowhere, table: public.t, key: [id]}, columns: {number: id, seen_at: at}}
    - {name: b, postgresql: {database: nowhere, table: public.u, key: [id]}, columns: {number: id, seen_at: at}}
    - {name: c, postgresql: {database: nowhere, table: public.v, key: [id]}, columns: {number: id, seen_at: at}}
    - {name: d, postgresql: {database: nowhere, table: public.w, key: [id]}, columns: {number: id, seen_at: at}}
"""
MOST_SECONDS = 10.0
# Every question is given up after eight seconds, or nine where heartbeats are written first; the rest is the machine's.
SILENT_SECONDS = 13.0


@pytest.fixture
def watched(settings: Settings, tmp_path: Path) -> Iterator[Watch]:
    with watch(tmp_path) as made:
        yield made


@pytest.fixture
def wide(
    settings: Settings, kafka: AdminClient, known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Contract]:
    """A second table with a thousand partitions, and a union that has read some of each."""
    folder = tmp_path / "contracts"
    shutil.copytree(settings.contracts / "orders", folder / "orders")
    (folder / "wide").mkdir()
    (folder / "wide" / "defs.yaml").write_text(WIDE)
    contract = parse_contract(folder / "wide" / "defs.yaml")
    topics = desired.topics(contract)
    group = names.union_group("wide")
    raw = [names.raw_topic("wide", source.name) for source in contract.sources]
    try:
        provision(topics, known)
        read = [TopicPartition(topic, number, 0) for topic in raw for number in range(contract.partitions)]
        request = ConsumerGroupTopicPartitions(group, read)
        kafka.alter_consumer_group_offsets([request], request_timeout=30)[group].result()
        monkeypatch.setenv("DROPLESS_CONTRACTS", str(folder))
        yield contract
    finally:
        kafka.delete_consumer_groups([group])[group].exception(30)
        for future in kafka.delete_topics([each.name for each in topics], operation_timeout=60).values():
            future.exception(60)
        until("Kafka", lambda: "wide topics" if any(".wide" in each for each in topics_of(kafka)) else None, 60)


def topics_of(kafka: AdminClient) -> set[str]:
    return set(kafka.list_topics(timeout=10).topics)


def test_a_tick_over_a_thousand_partitions_takes_less_than_ten_seconds(
    wide: Contract, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with watch(tmp_path) as watched:
        for look in ("first", "second"):
            ticks = watched.tick_all()
            told = ", ".join(f"{name} {tick.seconds:.2f} s" for name, tick in ticks.items())
            with capsys.disabled():
                print(f"\n{look} look at 1,000 partitions: {told}")
            assert {name: tick.seconds for name, tick in ticks.items() if tick.seconds >= MOST_SECONDS} == {}
        # They have really looked.
        seen = [
            *(f"platform/kafka:{name}" for name in ("three_replicas", "all_in_sync", "topics_keep_the_table")),
            *("kafka/unified.wide:reader_keeps_moving", "kafka/unified.wide:offsets_are_in_range"),
            *("topic/unified.wide:plan_is_empty", "topic/raw.wide.c:plan_is_empty"),
        ]
        assert {check: each.description for check in seen if not (each := watched.newest[check]).passed} == {}


@contextmanager
def silent(settings: Settings, system: str) -> Iterator[None]:
    """Every process of a system is stopped in its tracks: it takes connections and says nothing."""
    pids = [
        each.pid for each in LocalPlatform(settings).status() if each.system == system and "controller" not in each.name
    ]
    assert pids
    with ExitStack() as resumed:
        for pid in pids:
            for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                process.suspend()
                resumed.callback(process.resume)
        yield


SILENT = {
    "kafka": (
        "platform/kafka:brokers_answer",
        "platform/kafka:all_in_sync",
        "kafka/unified.orders:reader_keeps_moving",
    ),
    "kafka_connect": ("connector/orders.store:connector_works", "connector/orders.store:connector_keeps_the_table"),
    "pinot": ("pinot/orders:reader_keeps_moving", "orders/pinot_table:consumer_keeps_the_table"),
    "minio": ("bucket/lake:plan_is_empty",),
    "postgresql": ("postgresql_source/orders.store:changes_are_kept",),
    "mongodb": ("mongodb_source/orders.marketplace:changes_are_kept",),
}


@pytest.mark.parametrize("system", SILENT)
def test_a_silent_system_holds_up_no_tick_and_is_named(watched: Watch, settings: Settings, system: str) -> None:
    checks = [f"platform/{system}:answers", *SILENT[system]]
    assert_well(watched, checks)
    with silent(settings, system):
        for _ in range(2):
            ticks = watched.tick_all()
            assert {name: tick.seconds for name, tick in ticks.items() if tick.seconds > SILENT_SECONDS} == {}
        assert watched.failing(checks).keys() == set(checks)
    assert_well(watched, checks)


def assert_well(watched: Watch, checks: Collection[str]) -> None:
    def wrong() -> str | None:
        watched.tick_all()
        return str(failing) if (failing := watched.failing(checks)) else None

    until("The stack", wrong, 120)
