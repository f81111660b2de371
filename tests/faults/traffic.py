"""Traffic that goes on whatever dies, and a reader that watches meanwhile."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from pathlib import Path

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from dropless import durability
from dropless.records import origin

sys.path.insert(0, str(Path(__file__).parent.parent / "stack"))
from small_union import SmallUnion, raw_record

BATCH = 50
# The brokers die here all the time: librdkafka need not say so.
QUIET: durability.ClientConfig = {"log_level": 0}


class Writer(threading.Thread):
    """Writes raw records in transactions, as a connector does; knows which were acknowledged.

    Each record has its number in a header. `reached` is the newest acknowledged offset of each partition.
    """

    def __init__(self, union: SmallUnion, rate: float) -> None:
        super().__init__(name="writer", daemon=True)
        self.acknowledged: set[int] = set()
        self.reached: dict[int, int] = {}
        self.failures = 0
        self._union = union
        self._rate = rate
        self._ended = threading.Event()

    def run(self) -> None:
        numbers = itertools.count()
        producer = self._producer()
        while not self._ended.is_set():
            batch = list(itertools.islice(numbers, BATCH))
            reached: dict[int, int] = {}

            def note(error: KafkaError | None, message: Message, reached: dict[int, int] = reached) -> None:
                if error is None:
                    _, partition, offset = origin(message)
                    reached[partition] = offset

            try:
                producer.begin_transaction()
                for number in batch:
                    key, value = raw_record(number)
                    headers: list[tuple[str, str | bytes | None]] = [("number", str(number))]
                    producer.produce(self._union.raw, value, key, headers=headers, on_delivery=note)
                producer.commit_transaction(20)
                producer.poll(0)
            except (KafkaException, BufferError):
                # In doubt: what was not acknowledged may be there or not, and neither is wrong.
                self.failures += 1
                producer = self._producer()
            else:
                self.reached |= reached
                self.acknowledged.update(batch)
            self._ended.wait(BATCH / self._rate)

    def finish(self) -> None:
        self._ended.set()
        self.join(60)
        assert not self.is_alive(), "the writer is stuck"

    def _producer(self) -> Producer:
        config = QUIET | durability.transactional_producer(self._union.endpoints, f"{self._union.table}.raw")
        deadline = time.monotonic() + 120
        while True:
            producer = Producer(config)
            try:
                producer.init_transactions(20)
            except KafkaException:
                assert time.monotonic() < deadline, "the cluster takes no producer any more"
            else:
                return producer


class Reader(threading.Thread):
    """Reads committed rows all the while and notes what no reader may ever see.

    `reached` is the newest raw offset that came out, by raw partition; `ends` the newest offset of each
    unified partition.
    """

    def __init__(self, union: SmallUnion) -> None:
        super().__init__(name="reader", daemon=True)
        self.wrong: list[str] = []
        self.seen: set[tuple[str, int, int]] = set()
        self.reached: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self._union = union
        self._newest: dict[str, int] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        consumer = Consumer(
            QUIET | durability.positioned_consumer(self._union.endpoints, f"{self._union.table}.reader", "reader")
        )
        partitions = range(self._union.contract.partitions)
        consumer.assign([TopicPartition(self._union.unified, number, 0) for number in partitions])
        while not self._ended.is_set():
            for message in consumer.consume(1000, 0.2):
                if message.error() is None:
                    self._see(message)
        consumer.close()

    def _see(self, message: Message) -> None:
        row = orjson.loads(message.value() or b"")
        place = (row["_topic"], row["_partition"], row["_offset"])
        if place in self.seen:
            self.wrong.append(f"duplicate: {place}")
        if row["_position"] <= self._newest.get(row["_key"], -1):
            self.wrong.append(f"nonmonotonic: {row['_key']} at {place}")
        self.seen.add(place)
        self._newest[row["_key"]] = row["_position"]
        _, partition, offset = origin(message)
        if offset <= self.ends.get(partition, -1):
            self.wrong.append(f"read backwards: {self._union.unified}[{partition}]@{offset}")
        self.ends[partition] = offset
        self.reached[place[1]] = max(place[2], self.reached.get(place[1], -1))

    def finish(self) -> None:
        self._ended.set()
        self.join(60)
        assert not self.is_alive(), "the reader is stuck"
