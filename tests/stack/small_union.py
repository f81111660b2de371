"""A small unified table of a test's own: contract, topics, raw records, our processes, and the check of all of it."""

from __future__ import annotations

import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from dropless import durability, names
from dropless.contract import Contract
from dropless.declared import declared
from dropless.desired import topics
from dropless.endpoints import Endpoints
from dropless.records import END_OF_PARTITION, origin
from dropless.settings import Settings

CONTRACT = """
type: pipeline_assets.components.UnifiedTable
attributes:
  name: {table}
  description: A table of the tests.
  columns:
    - {{name: order_id, type: string, nullable: false}}
    - {{name: amount, type: "decimal(18,2)"}}
    - {{name: note, type: string}}
    - {{name: placed_at, type: timestamp, nullable: false}}
  time_column: placed_at
  lake: {{commit_seconds: 1}}
  sources:
    - name: shop
      postgresql: {{database: shop, table: public.orders, key: [id]}}
      columns: {{order_id: id, amount: total, note: note, placed_at: created}}
"""
CREATED = 1_764_000_000_000_000
BAD_EVERY, TOMBSTONE_EVERY = 97, 31
KEYS = 500


class SmallUnion:
    """One source `shop` whose raw records the test writes itself, as Debezium would."""

    def __init__(self, folder: Path, endpoints: Endpoints, settings: Settings) -> None:
        self.endpoints = endpoints
        self.table = f"t{uuid.uuid4().hex[:10]}"
        (folder / self.table).mkdir()
        (folder / self.table / "defs.yaml").write_text(CONTRACT.format(table=self.table))
        self.environment = os.environ | settings.environment() | {"DROPLESS_CONTRACTS": str(folder)}
        self.folder = folder
        self.contract: Contract = declared(_at(settings, folder), self.table)
        self.raw, self.unified = names.raw_topic(self.table, "shop"), names.unified_topic(self.table)
        self.dead = names.dead_topic(self.table)
        self.admin = AdminClient(durability.admin_client(endpoints))
        self.written = 0
        self._numbers = itertools.count()
        self._processes: list[subprocess.Popen[bytes]] = []

    def make_topics(self, only: str = "") -> None:
        wanted = [
            NewTopic(each.name, each.properties["partitions"], 3, config=dict(each.properties["config"]))
            for each in topics(self.contract)
            if only in each.name
        ]
        for future in self.admin.create_topics(wanted).values():
            future.result(30)

    def remove(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        made = [each.name for each in topics(self.contract)]
        for future in self.admin.delete_topics(made).values():
            future.result(30)
        for future in self.admin.delete_consumer_groups(
            [names.union_group(self.table), names.lake_group(self.table)]
        ).values():
            future.exception(30)

    # --- raw records ---

    def write(self, count: int, rate: float | None = None, stop: threading.Event | None = None) -> None:
        """Write changes of random keys; some that cannot be mapped, some tombstones."""
        producer = Producer(durability.transactional_producer(self.endpoints, f"{self.table}.raw") | {"linger.ms": 5})
        producer.init_transactions(30)
        began = time.monotonic()
        for done in range(0, count, 100):
            if stop is not None and stop.is_set():
                break
            producer.begin_transaction()
            for number in itertools.islice(self._numbers, min(100, count - done)):
                key, value = raw_record(number)
                producer.produce(self.raw, value, key)
            producer.commit_transaction(30)
            self.written += min(100, count - done)
            if rate:
                time.sleep(max(0.0, began + (done + 100) / rate - time.monotonic()))

    def delete_records(self, topic: str) -> None:
        """Delete everything that a topic holds, as a retention that is too short does."""
        with_ends = []
        consumer = Consumer(durability.positioned_consumer(self.endpoints, f"{self.table}.audit", "test"))
        for number in consumer.list_topics(topic, 10).topics[topic].partitions:
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, number), 10)
            with_ends.append(TopicPartition(topic, number, end))
        consumer.close()
        for future in self.admin.delete_records(with_ends).values():
            future.result(30)

    # --- processes ---

    def start(
        self, module: str, *arguments: str, log: str | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            module,
            *([] if "--table" in arguments else ["--table", self.table]),
            *arguments,
        ]
        with (self.folder / f"{log or module}.log").open("ab") as file:
            process = subprocess.Popen(
                command, env=self.environment | dict(environment or {}), stderr=file, stdout=file
            )
        self._processes.append(process)
        return process

    def worker(
        self, slot: int = 0, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        return self.start(
            "dropless.union.worker", "--slot", str(slot), *arguments, log=f"union-{slot}", environment=environment
        )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    # --- the check ---

    def audit(self, deadline: float = 30) -> dict[str, int]:
        """Each raw offset exactly once among unified rows and dead letters, each key's rows in order.

        Waits until as much has arrived as was written, then a moment longer for what came twice.
        """
        raw = [each for each in self.read(self.raw) if each.value() is not None]
        expected = Counter(origin(each) for each in raw)
        end = time.monotonic() + deadline
        while True:
            rows, dead = list(self.read(self.unified)), list(self.read(self.dead))
            if len(rows) + len(dead) >= len(expected) or time.monotonic() > end:
                break
            time.sleep(0.3)
        parsed = [orjson.loads(each.value()) for each in rows]
        found = Counter((row["_topic"], row["_partition"], row["_offset"]) for row in parsed)
        for each in dead:
            headers = dict(each.headers())
            found[(headers["topic"].decode(), int(headers["partition"]), int(headers["offset"]))] += 1
        twice = [place for place, count in found.items() if count > 1]
        assert not twice, f"{len(twice)} records came more than once, such as {twice[:3]}"
        lost = expected.keys() - found.keys()
        assert not lost, f"{len(lost)} of {len(expected)} records are missing, such as {sorted(lost)[:3]}"
        assert found == expected
        last: dict[str, int] = defaultdict(lambda: -1)
        for row in parsed:
            assert row["_position"] > last[row["_key"]], f"the changes of {row['_key']} are out of order"
            last[row["_key"]] = row["_position"]
        return {"rows": len(rows), "dead": len(dead), "raw": len(expected)}

    def read(self, topic: str) -> Iterator[Message]:
        """Every committed record of a topic, as it stands now."""
        config = durability.positioned_consumer(self.endpoints, f"{self.table}.audit", "test")
        consumer = Consumer(config)
        try:
            partitions = consumer.list_topics(topic, 10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
            unfinished = set(partitions)
            deadline = time.monotonic() + 60
            while unfinished:
                assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
                for message in consumer.consume(5000, 0.2):
                    if message.error() is None:
                        yield message
                    elif message.error().code() == END_OF_PARTITION:
                        unfinished.discard(message.partition())
        finally:
            consumer.close()


def raw_record(number: int) -> tuple[bytes, bytes | None]:
    identity = random.Random(number).randrange(KEYS)
    key = orjson.dumps({"id": identity})
    if number % TOMBSTONE_EVERY == 0:
        return key, None
    total = "not a number" if number % BAD_EVERY == 0 else f"{number}.25"
    after = {"id": identity, "total": total, "note": f"change {number} of " + "x" * 100, "created": CREATED + number}
    source = {
        "version": "3.7.0.Final",
        "connector": "postgresql",
        "name": "shop",
        "ts_ms": CREATED // 1000,
        "snapshot": "false",
        "db": "shop",
        "schema": "public",
        "table": "orders",
        "txId": number,
        "lsn": number,
        "ts_us": CREATED + number,
        "ts_ns": (CREATED + number) * 1000,
    }
    envelope = {
        "before": None,
        "after": after,
        "source": source,
        "transaction": None,
        "op": "c",
        "ts_ms": CREATED // 1000,
    }
    return key, orjson.dumps(envelope)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def status(port: int) -> dict[str, Any]:
    answer = httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=5)
    return dict(answer.json())


def eventually(check: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true value of a check; failures to connect are no value yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            value = check()
        except httpx.TransportError:
            value = None
        if value:
            return value
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@contextmanager
def in_background(work: Callable[[], None]) -> Iterator[None]:
    """Run something beside the block, and fail when it failed."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failed:
        raise failed[0]


def _at(settings: Settings, folder: Path) -> Settings:
    return Settings(settings.state, settings.cache, folder, settings.port_base, settings.topology)
