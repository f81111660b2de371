"""The benchmarks' own unified table on a running Kafka: its topics, its input, and how a group is set back."""

from __future__ import annotations

import bisect
import itertools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from benchmarks.payload import Record, records
from dropless import durability, names
from dropless.contract.loading import FILE
from dropless.declared import declared
from dropless.desired import topics
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.group_admin import GroupAdmin
from dropless.records import origin
from dropless.settings import LOOPBACK, Settings
from dropless.union.outcome import Row
from dropless.union.worker import routes
from resources.cluster import ClusterView
from resources.kafka import Topics
from resources.waiting import until

EXAMPLE: Final = "orders"
WRITE_BATCH: Final = 5_000
REQUEST_SECONDS: Final = 30
PROGRESS_SECONDS: Final = 4.0

Partition = tuple[str, int]
"""Topic and partition."""


@dataclass
class Written:
    """The prewritten input: of each partition the offsets of its records, in order."""

    offsets: dict[Partition, list[int]] = field(default_factory=dict)
    valued: dict[Partition, list[int]] = field(default_factory=dict)
    """The same of the records that have a value."""

    @property
    def records(self) -> int:
        """How many there are."""
        return sum(map(len, self.offsets.values()))

    @property
    def changes(self) -> int:
        """How many of them have a value."""
        return sum(map(len, self.valued.values()))

    @property
    def ends(self) -> dict[Partition, int]:
        """Where a group stands that has read everything; commit markers behind the last record do not count."""
        return {place: offsets[-1] + 1 for place, offsets in self.offsets.items()}

    def starts(self, records: int) -> dict[Partition, int]:
        """From where so many records, the newest, are left to read; an equal share of each partition."""
        share = records / self.records
        return {
            place: offsets[max(0, len(offsets) - round(share * len(offsets)))]
            for place, offsets in self.offsets.items()
        }

    def between(self, starts: Mapping[Partition, int]) -> int:
        """How many records lie from there to the end."""
        return _after(self.offsets, starts)

    def changes_between(self, starts: Mapping[Partition, int]) -> int:
        """How many of those have a value."""
        return _after(self.valued, starts)


def _after(places: Mapping[Partition, list[int]], starts: Mapping[Partition, int]) -> int:
    return sum(len(offsets) - bisect.bisect_left(offsets, starts[place]) for place, offsets in places.items())


class Lab:
    """One unified table as the example declares it, under a name of its own, used by one benchmark at a time."""

    def __init__(self, settings: Settings, folder: Path, table: str = EXAMPLE) -> None:
        """`folder` is scratch: it takes the contract, logs, bookmarks and payload files."""
        self.folder = folder
        self.table = table
        contracts = folder / "contracts"
        example = (settings.contracts / EXAMPLE / FILE).read_text()
        (contracts / table).mkdir(parents=True, exist_ok=True)
        (contracts / table / FILE).write_text(example.replace(f"name: {EXAMPLE}\n", f"name: {table}\n", 1))
        self.settings = replace(settings, contracts=contracts)
        self.contract = declared(self.settings, table)
        self.endpoints = Endpoints.local(settings)
        self.view = ClusterView(self.endpoints)
        self.group = names.union_group(table)
        self.raw = {source.name: names.raw_topic(table, source.name) for source in self.contract.sources}
        self.unified = names.unified_topic(table)
        self.outputs = [self.unified, names.dead_topic(table)]
        self.yardstick = f"yardstick.{table}"
        self.written = Written()
        self.environment = os.environ | self.settings.environment() | {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"}
        self._asking = Consumer(
            durability.progress_consumer(self.endpoints, self.group, "dropless.benchmarks.progress")
        )
        self._admin = AdminClient(durability.admin_client(self.endpoints, "dropless.benchmarks"))

    def client_settings(self) -> dict[str, durability.ClientConfig]:
        """What the union's clients run with."""
        instance = names.union_transactional_id(self.table, 0)
        return {
            "consumer": durability.shown(durability.union_consumer(self.endpoints, self.group, instance)),
            "producer": durability.shown(durability.transactional_producer(self.endpoints, instance)),
        }

    # --- topics ---

    def make_topics(self) -> None:
        """Make the table's topics as the product does, and one like the unified topic for the yardstick."""
        wanted = topics(self.contract)
        unified = next(each for each in wanted if each.name == self.unified)
        config = {**unified.properties["config"], "cleanup.policy": "delete"}
        wanted.append(replace(unified, name=self.yardstick, properties={**unified.properties, "config": config}))
        made = [
            NewTopic(
                each.name,
                each.properties["partitions"],
                each.properties["replication_factor"],
                config=dict(each.properties["config"]),
            )
            for each in wanted
        ]
        for future in self._admin.create_topics(made, request_timeout=2 * REQUEST_SECONDS).values():
            future.result(2 * REQUEST_SECONDS)
        Topics(self.endpoints).wait_ready(wanted, 2 * REQUEST_SECONDS)

        def missing() -> str | None:
            # A busy broker learns late that it leads a partition.
            try:
                self.view.ends(self.view.partitions([each.name for each in wanted]))
            except DroplessError as error:
                return str(error)
            return None

        until("The topics", missing, 2 * REQUEST_SECONDS)

    def remove(self) -> None:
        """Remove the topics and the groups' offsets."""
        made = [each.name for each in topics(self.contract)] + [self.yardstick]
        for future in self._admin.delete_topics(made).values():
            future.result(2 * REQUEST_SECONDS)
        shutil.rmtree(self.folder / "contracts")
        self._asking.close()

    def trim(self) -> None:
        """Delete what came out so far, so that the disk does not fill up."""
        ends = self.view.ends(self.view.partitions([*self.outputs, self.yardstick]))
        # Kafka deletes records of a compacted topic only while it is none.
        self._cleanup_policy("compact,delete")
        wanted = [TopicPartition(*place, offset) for place, offset in ends.items()]

        def missing() -> str | None:
            # A broker learns of the other policy a moment later.
            for future in self._admin.delete_records(wanted).values():
                error = future.exception(2 * REQUEST_SECONDS)
                if isinstance(error, KafkaException) and error.args[0].code() == KafkaError.POLICY_VIOLATION:
                    return "the unified topic is only compacted"
                if error:
                    raise error
            return None

        until("The topics", missing, REQUEST_SECONDS)
        self._cleanup_policy("compact")

    def _cleanup_policy(self, policy: str) -> None:
        entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
        target = ConfigResource(ResourceType.TOPIC, self.unified, incremental_configs=[entry])
        self._admin.incremental_alter_configs([target])[target].result(2 * REQUEST_SECONDS)

    # --- input ---

    def write(self, seed: int, count: int, pool: int = 8_000) -> None:
        """Write so many raw records in transactions, as a connector does: a pool of orders, over and over."""
        once = list(records(seed, pool // 4))
        producer = Producer(durability.transactional_producer(self.endpoints, f"{self.table}.raw"))
        producer.init_transactions(REQUEST_SECONDS)
        for batch in _batches(itertools.islice(itertools.cycle(once), count), WRITE_BATCH):
            producer.begin_transaction()
            for record in batch:
                producer.produce(self.raw[record.source], record.value, record.key, on_delivery=self._note)
            producer.commit_transaction(REQUEST_SECONDS)
        producer.flush()
        # ProducerPerformance takes values only, one a line.
        mappers = routes(self.contract)
        with self.payload.open("wb") as file:
            for number, record in enumerate(once):
                row = mappers[self.raw[record.source]].mapper(record.key, record.value, 0, number)
                if isinstance(row, Row):
                    file.write(row.value + b"\n")

    def _note(self, error: object, message: Message) -> None:
        if error is None:
            topic, partition, offset = origin(message)
            self.written.offsets.setdefault((topic, partition), []).append(offset)
            if message.value() is not None:
                self.written.valued.setdefault((topic, partition), []).append(offset)

    @property
    def payload(self) -> Path:
        """The file of unified rows, one a line: what the union writes."""
        return self.folder / "rows.jsonl"

    # --- the group ---

    def set_back(self, to: Mapping[Partition, int]) -> None:
        """Set the union's group to these offsets, once nobody is in it any more."""
        groups = GroupAdmin(self.endpoints)

        def missing() -> str | None:
            # A static member that has ended is in the group until its session is over.
            refused = groups.commit(self.group, to)
            return next((f"{place[0]}-{place[1]}: {why}." for place, why in refused.items()), None)

        until("The union's group", missing, 60)

    def raw_ends(self) -> dict[Partition, int]:
        """The raw topics' next offsets."""
        return self.view.ends(self.view.partitions(self.raw.values()))

    def progress(self, places: Iterable[Partition]) -> dict[Partition, int]:
        """What the group has committed of these partitions, pending transactions left out; nothing when it is late.

        Asked many times a second: by a consumer that never joins, since a benchmark crashed in librdkafka while it
        asked an AdminClient; the cause is not known.
        """
        try:
            answers = self._asking.committed([TopicPartition(*place) for place in places], PROGRESS_SECONDS)
        except KafkaException:
            return {}
        return {(each.topic, each.partition): each.offset for each in answers if each.offset >= 0 and not each.error}

    # --- processes ---

    def worker(self, slot: int = 0, *arguments: str) -> subprocess.Popen[bytes]:
        """A union process, as supervisord runs it."""
        return self.start(
            f"union-{slot}", sys.executable, "-m", "dropless.union.worker", "--table", self.table,
            "--slot", str(slot), *arguments,
        )  # fmt: skip

    def last_words(self) -> str:
        """The last line of the log that was written to last."""
        newest = max(self.folder.glob("*.log"), key=lambda each: each.stat().st_mtime)
        return (newest.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]

    def start(self, log: str, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """A process whose output goes to a log in the scratch folder."""
        with (self.folder / f"{log}.log").open("ab") as file:
            return subprocess.Popen(command, env=environment or self.environment, stdout=file, stderr=file)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        return int(taken.getsockname()[1])


def _batches(items: Iterable[Record], size: int) -> Iterator[list[Record]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
