"""Traffic that goes on whatever dies, a reader that watches meanwhile, and the union kept alive."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from dropless import durability

sys.path.insert(0, str(Path(__file__).parent.parent / "stack"))
from small_union import SmallUnion, raw_record

BATCH = 50
# The brokers die here all the time: librdkafka need not say so.
QUIET: durability.ClientConfig = {"log_level": 0}


class Writer(threading.Thread):
    """Writes raw records in transactions, as a connector does; knows which were acknowledged."""

    def __init__(self, union: SmallUnion, rate: float) -> None:
        super().__init__(name="writer", daemon=True)
        self.acknowledged: set[int] = set()
        self.failures = 0
        self._union = union
        self._rate = rate
        self._ended = threading.Event()

    def run(self) -> None:
        numbers = itertools.count()
        producer = self._producer()
        while not self._ended.is_set():
            batch = list(itertools.islice(numbers, BATCH))
            try:
                producer.begin_transaction()
                for number in batch:
                    key, value = raw_record(number)
                    producer.produce(self._union.raw, value, key)
                producer.commit_transaction(20)
            except (KafkaException, BufferError):
                # In doubt: what was not acknowledged may be there or not, and neither is wrong.
                self.failures += 1
                producer = self._producer()
            else:
                self.acknowledged.update(batch)
            self._ended.wait(BATCH / self._rate)

    def finish(self) -> None:
        self._ended.set()
        self.join(60)
        assert not self.is_alive(), "the writer is stuck"

    def _producer(self) -> Producer:
        config = QUIET | durability.transactional_producer(self._union.endpoints, f"{self._union.table}.raw")
        deadline = time.monotonic() + 90
        while True:
            producer = Producer(config)
            try:
                producer.init_transactions(20)
            except KafkaException:
                assert time.monotonic() < deadline, "the cluster takes no producer any more"
            else:
                return producer


class Reader(threading.Thread):
    """Reads committed rows all the while and notes what no reader may ever see."""

    def __init__(self, union: SmallUnion) -> None:
        super().__init__(name="reader", daemon=True)
        self.wrong: list[str] = []
        self.seen: set[tuple[str, int, int]] = set()
        self._union = union
        self._ended = threading.Event()

    def run(self) -> None:
        consumer = Consumer(
            QUIET | durability.positioned_consumer(self._union.endpoints, f"{self._union.table}.reader", "reader")
        )
        consumer.assign([TopicPartition(self._union.unified, number, 0) for number in range(3)])
        newest: dict[str, int] = {}
        while not self._ended.is_set():
            for message in consumer.consume(1000, 0.2):
                if message.error():
                    continue
                row = orjson.loads(message.value())
                origin = (row["_topic"], row["_partition"], row["_offset"])
                if origin in self.seen:
                    self.wrong.append(f"duplicate: {origin}")
                if row["_position"] <= newest.get(row["_key"], -1):
                    self.wrong.append(f"nonmonotonic: {row['_key']} at {origin}")
                self.seen.add(origin)
                newest[row["_key"]] = row["_position"]
        consumer.close()

    def finish(self) -> None:
        self._ended.set()
        self.join(60)
        assert not self.is_alive(), "the reader is stuck"


class Workers(threading.Thread):
    """Union processes that are started again when they end, as a supervisor does."""

    def __init__(self, union: SmallUnion, count: int) -> None:
        super().__init__(name="workers", daemon=True)
        self._union = union
        self._ended = threading.Event()
        self.processes: list[subprocess.Popen[bytes]] = [union.worker(slot) for slot in range(count)]

    def run(self) -> None:
        while not self._ended.wait(0.2):
            for slot, process in enumerate(self.processes):
                if process.poll() is not None:
                    self.processes[slot] = self._union.worker(slot)

    def finish(self) -> None:
        self._ended.set()
        self.join(10)
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)
