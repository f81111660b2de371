"""Changes written open loop: each at its intended moment, whether or not anything keeps up."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from benchmarks.lab import Lab, Partition
from benchmarks.payload import Record, records
from dropless import durability
from dropless.records import origin

# A load is written in so many portions a second.
PORTIONS: Final = 50
# Between two sleeps deliveries are noted.
LONGEST_SLEEP: Final = 0.05
# Well below queue.buffering.max.messages.
FULL: Final = 50_000
POOL: Final = 2_000


class Writer:
    """Writes the example's envelopes at a fixed rate, with an idempotent producer."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self._lab = lab
        self._pool = itertools.cycle(list(records(seed, POOL)))
        # Each change leaves at its own moment.
        self._producer = Producer(_idempotent(lab) | {"linger.ms": 0})
        self._failure: KafkaError | None = None
        self.intended: dict[tuple[str, int, int], float] = {}
        """Raw record -> the moment at which it was meant to be written, in seconds since 1970."""
        self.written: dict[Partition, int] = {}
        """Next offset of every partition."""

    def write(self, rate: float, seconds: float, stopped: Callable[[], bool] = lambda: False) -> None:
        """Write `rate` changes a second for so long.

        Raises:
            KafkaException: a record was not acknowledged.
        """
        began, number = time.time(), 0
        for record in self._pool:
            intended = began + number / rate
            # A tombstone follows its deletion at once and is no change of its own.
            if record.value is not None:
                if number >= rate * seconds or stopped():
                    break
                number += 1
                self._wait(intended)
            self._producer.produce(
                self._lab.raw[record.source], record.value, record.key,
                timestamp=round(1000 * intended), on_delivery=partial(self._note, intended),
            )  # fmt: skip
            self._producer.poll(0)
        self._producer.flush()
        if self._failure:
            raise KafkaException(self._failure)

    def _wait(self, moment: float) -> None:
        while (ahead := moment - time.time()) > 0:
            self._producer.poll(0)
            time.sleep(min(ahead, LONGEST_SLEEP))

    def _note(self, intended: float, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure = error
            return
        topic, partition, offset = origin(message)
        self.written[(topic, partition)] = offset + 1
        if message.value() is not None:
            self.intended[(topic, partition, offset)] = intended


class Load(threading.Thread):
    """Writes changes in the background at a rate that can be changed, until told to finish."""

    def __init__(self, lab: Lab, seed: int, rate: float = 0.0) -> None:
        super().__init__(name="load", daemon=True)
        self.rate = rate
        self.sent = 0
        """Records so far, tombstones included."""
        self.changes = 0
        self.begun = lab.raw_ends()
        """Offsets of the raw topics before the first record."""
        self._lab = lab
        self._pool = itertools.cycle(list(records(seed, POOL)))
        self._producer = Producer(_idempotent(lab))
        self._failure: KafkaError | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Write until the end."""
        due, due_at = 0.0, time.monotonic()
        while not self._ended.wait(max(0.0, due_at - time.monotonic())):
            due_at += 1 / PORTIONS
            due += self.rate / PORTIONS
            while due >= 1:
                due -= self._put(next(self._pool))
            self._producer.poll(0)

    def finish(self) -> None:
        """Stop writing, and wait until everything is acknowledged.

        Raises:
            KafkaException: something was not.
        """
        self._ended.set()
        self.join()
        self._producer.flush()
        if self._failure:
            raise KafkaException(self._failure)

    def _put(self, record: Record) -> int:
        # What cannot be taken now stays due, and is made up for.
        while len(self._producer) >= FULL:
            self._producer.poll(LONGEST_SLEEP)
        self._producer.produce(self._lab.raw[record.source], record.value, record.key, on_delivery=self._note)
        self.sent += 1
        is_change = record.value is not None
        self.changes += is_change
        return int(is_change)

    def _note(self, error: KafkaError | None, _message: Message) -> None:
        self._failure = error or self._failure


def _idempotent(lab: Lab) -> durability.ClientConfig:
    settings = durability.transactional_producer(lab.endpoints, f"{lab.table}.writer")
    return {name: value for name, value in settings.items() if not name.startswith("transaction")}
