"""Reads committed records between known offsets, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.errors import NotReady
from dropless.records import END_OF_PARTITION, Partition, origin

BATCH_RECORDS = 10_000
# An open transaction holds readers back for its time-out, and nothing holds them longer.
SILENCE_SECONDS = 30.0

Progress = Callable[[int], None]
"""Told the number of records read since it was last told."""


class CommittedReader:
    """A reader under a name of its own; it holds a few partitions' fetched records in memory, never a topic."""

    def __init__(
        self,
        endpoints: Endpoints,
        name: str,
        progress: Progress = lambda _: None,
        *,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._config = durability.positioned_consumer(endpoints, name, name)
        self._progress = progress
        self._silence_seconds = silence_seconds

    def read(self, ranges: Mapping[Partition, tuple[int, int]]) -> Generator[Message]:
        """Every committed record from each partition's start to before its end.

        An end may lie behind an open transaction: the records are awaited until it ends.

        Raises:
            NotReady: nothing came for `silence_seconds`.
            KafkaException: a record is gone, or the brokers refuse.
        """
        open_ends = {place: end for place, (start, end) in ranges.items() if start < end}
        if not open_ends:
            return
        consumer = Consumer(dict(self._config))
        try:
            consumer.assign([TopicPartition(*place, ranges[place][0]) for place in open_ends])
            heard = time.monotonic()
            while open_ends:
                messages = consumer.consume(BATCH_RECORDS, 0.2)
                self._progress(len(messages))
                if messages:
                    heard = time.monotonic()
                elif time.monotonic() - heard > self._silence_seconds:
                    waiting = ", ".join(f"{topic}[{number}]" for topic, number in open_ends)
                    raise NotReady(
                        f"Nothing more could be read of {waiting} in {self._silence_seconds:.0f} s: "
                        "a transaction is open there, or its brokers are down."
                    )
                for message in messages:
                    yield from self._within(message, open_ends)
        finally:
            consumer.close()

    def _within(self, message: Message, open_ends: dict[Partition, int]) -> Iterator[Message]:
        error = message.error()
        if error is not None and error.code() != END_OF_PARTITION:
            raise KafkaException(error)
        topic, partition, offset = origin(message)
        end = open_ends.get((topic, partition))
        if end is None:
            return
        if error is None and offset < end:
            yield message
        if offset >= end - (error is None):
            del open_ends[(topic, partition)]
