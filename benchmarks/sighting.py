"""When committed records became visible to a reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import orjson
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from benchmarks.lab import Lab, Partition
from dropless import durability
from dropless.records import END_OF_PARTITION, origin

Origin = tuple[str, int, int]
"""Topic, partition and offset of a raw record."""


class Sighting(threading.Thread):
    """A read_committed reader that notes when it had the record or the row of each raw record.

    It asks as a reader with the lowest delay does, not one with the highest throughput.
    """

    def __init__(self, lab: Lab, starts: Mapping[Partition, int]) -> None:
        """Read on from these offsets, of raw topics or of the unified one."""
        super().__init__(name="sighting", daemon=True)
        self.seen: dict[Origin, float] = {}
        """Raw record -> moment, in seconds since 1970."""
        self.arrivals: list[tuple[float, float]] = []
        """In the order of arrival: when it was seen, and when its producer says that it was produced."""
        self._raw = frozenset(lab.raw.values())
        self._ended = threading.Event()
        self._failure: KafkaException | None = None
        config = durability.positioned_consumer(lab.endpoints, f"sighting.{lab.table}", "sighting")
        self._consumer = Consumer(config | {"fetch.wait.max.ms": 10})
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])

    def run(self) -> None:
        """Note until told to end."""
        while not self._ended.is_set():
            message = self._consumer.poll(0.1)
            now = time.time()
            if message is None:
                continue
            error = message.error()
            if error is None and message.value() is not None:
                record = self._of(message)
                self.seen.setdefault(record, now)
                self.arrivals.append((now, message.timestamp()[1] / 1000))
            elif error is not None and error.code() != END_OF_PARTITION:
                self._failure = KafkaException(error)
                break
        self._consumer.close()

    def finish(self) -> None:
        """End, and raise what went wrong."""
        self._ended.set()
        self.join()
        if self._failure:
            raise self._failure

    def _of(self, message: Message) -> Origin:
        topic, partition, offset = origin(message)
        if topic in self._raw:
            return topic, partition, offset
        row = orjson.loads(message.value() or b"")
        return row["_topic"], row["_partition"], row["_offset"]
