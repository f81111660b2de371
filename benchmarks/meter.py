"""How fast a group gets on and what it costs, watched from outside and the same for every competitor."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from benchmarks.lab import Lab, Partition
from dropless.errors import DroplessError, NotReady
from resources.platform import LocalPlatform

LOOK_SECONDS: Final = 0.02
# Rates are taken between these shares of the records: no start, and no end at which one process has nothing to do.
WARM: Final = 0.15
STILL_FULL: Final = 0.85


@dataclass(frozen=True)
class Look:
    """What was seen at one moment: records done, CPU seconds used so far, resident bytes."""

    at: float
    done: int
    cpu: float
    broker_cpu: float
    resident: int


@dataclass(frozen=True)
class Course:
    """One run from its first commit to its last."""

    records: int
    looks: tuple[Look, ...]

    @property
    def _window(self) -> tuple[Look, Look]:
        warm = [each for each in self.looks if each.done >= WARM * self.records]
        full = [each for each in warm if each.done <= STILL_FULL * self.records]
        first, last = warm[0], full[-1] if full else warm[-1]
        if last.done <= first.done:
            last = warm[-1]
        if last.done <= first.done:
            raise DroplessError(f"{self.records:,} records are too few to measure: they went in one batch.")
        return first, last

    @property
    def rate(self) -> float:
        """Records a second."""
        first, last = self._window
        return (last.done - first.done) / (last.at - first.at)

    @property
    def cpu(self) -> float:
        """CPU seconds of the processes for a million records."""
        first, last = self._window
        return 1e6 * (last.cpu - first.cpu) / (last.done - first.done)

    @property
    def broker_cpu(self) -> float:
        """CPU seconds of all brokers for a million records."""
        first, last = self._window
        return 1e6 * (last.broker_cpu - first.broker_cpu) / (last.done - first.done)

    @property
    def resident(self) -> int:
        """Resident bytes of the processes at the end."""
        return self.looks[-1].resident


class Meter:
    """Watches processes and the brokers they work with."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._brokers = [
            psutil.Process(each.pid)
            for each in LocalPlatform(lab.settings).status()
            if each.name.startswith("kafka-broker") and each.pid
        ]

    def look(self, processes: Sequence[psutil.Process], done: int) -> Look:
        """One look."""
        return Look(
            at=time.monotonic(),
            done=done,
            cpu=sum(_cpu(each) for each in processes),
            broker_cpu=sum(_cpu(each) for each in self._brokers),
            resident=sum(each.memory_info().rss for each in processes),
        )

    def follow(
        self,
        started: Sequence[subprocess.Popen[bytes]],
        start: Mapping[Partition, int],
        ends: Mapping[Partition, int],
        records: int,
        seconds: float,
    ) -> Course:
        """Watch the group go from `start` to `ends`, which are `records` records apart.

        Offsets that are no records (commit markers) count as a share of them.

        Raises:
            NotReady: it does not get there in time.
            DroplessError: a process ended.
        """
        processes = [psutil.Process(each.pid) for each in started]
        span = sum(ends.values()) - sum(start.values())
        deadline = time.monotonic() + seconds
        looks: list[Look] = []
        while True:
            committed = self._lab.progress(ends)
            left = sum(max(0, end - committed.get(place, start[place])) for place, end in ends.items())
            done = round(records * (span - left) / span)
            if done and (not looks or done > looks[-1].done):
                looks.append(self.look(processes, done))
            if left == 0:
                return Course(records, tuple(looks))
            for each in started:
                if each.poll() is not None:
                    raise DroplessError(f"A process ended with {each.returncode}: {self._lab.last_words()}")
            if time.monotonic() > deadline:
                raise NotReady(f"{left:,} of {span:,} offsets were left after {seconds:g} seconds.")
            time.sleep(LOOK_SECONDS)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
