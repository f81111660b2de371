"""Changes written open loop: each at its intended moment, whether or not anything keeps up."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from benchmarks.lab import Lab, Partition
from benchmarks.payload import records
from dropless import durability
from dropless.records import origin

# Between two sleeps deliveries are noted.
LONGEST_SLEEP: Final = 0.05
POOL: Final = 2_000


class Writer:
    """Writes the example's envelopes at a fixed rate, with an idempotent producer."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self._lab = lab
        self._pool = itertools.cycle(list(records(seed, POOL)))
        settings = durability.transactional_producer(lab.endpoints, f"{lab.table}.writer")
        plain = {name: value for name, value in settings.items() if not name.startswith("transaction")}
        # Each change leaves at its own moment.
        self._producer = Producer(plain | {"linger.ms": 0})
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
