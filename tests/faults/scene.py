"""What a fault acts upon, and the sign that everything moves again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from cluster import Brokers
from traffic import Reader, SmallUnion, Writer
from workers import Workers

# Far above what is measured: a busy machine takes a minute to start a broker.
RECOVERY_SECONDS = 180
# Answers that were under way when the brokers died.
IN_FLIGHT_SECONDS = 1.0


@dataclass(frozen=True)
class Scene:
    """A small union under traffic, its workers and its brokers; every choice is drawn from one seed."""

    union: SmallUnion
    brokers: Brokers
    workers: Workers
    writer: Writer
    reader: Reader
    random: random.Random

    def moves_on(self, when: str) -> float:
        """Wait until rows written from now on come out of every partition; the seconds that it took."""
        began = time.monotonic()
        before = self._progress(self.writer.reached)
        while still := [
            place for place, offset in self._progress(self.reader.reached).items() if offset <= before[place]
        ]:
            assert self.writer.is_alive(), f"the writer ended {when}"
            assert self.reader.is_alive(), f"the reader ended {when}"
            assert time.monotonic() < began + RECOVERY_SECONDS, f"nothing moves {when}: {', '.join(still)}"
            time.sleep(0.02)
        return time.monotonic() - began

    def nothing_is_acknowledged_for(self, seconds: float) -> None:
        """With too few replicas no producer may be told that its write is safe."""
        time.sleep(IN_FLIGHT_SECONDS)
        before = len(self.writer.acknowledged)
        time.sleep(seconds)
        assert len(self.writer.acknowledged) == before, "a write was acknowledged without enough replicas"

    def _progress(self, raw: dict[int, int]) -> dict[str, int]:
        partitions = range(self.union.contract.partitions)
        return {f"{self.union.raw}[{number}]": raw.get(number, -1) for number in partitions} | {
            f"{self.union.unified}[{number}]": self.reader.ends.get(number, -1) for number in partitions
        }


def eventually(check: Callable[[], bool], otherwise: str, seconds: float) -> None:
    """Wait for a condition, or fail with a sentence."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


Fault = Callable[[Scene], None]
