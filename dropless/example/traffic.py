"""Traffic: the life of three shops, played open loop, so that a slow database shows as lateness."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from pymongo.errors import PyMongoError

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.example.load import SOURCES, open_shop
from dropless.example.orders import Change, Kind, LifeCycles
from dropless.example.shop import Due, Shop

# Later than this behind its schedule, a source commits all that is due at once.
_LATE_SECONDS: Final = 0.05
_BATCH: Final = 200
_ADOPTED: Final = 500

Committed = Callable[[str, Sequence[Due], datetime], None]
"""Told of a source, of changes committed there, and of the moment at which their commit had returned."""


@dataclass(frozen=True)
class Load:
    """What to play: `rate` changes a second over all sources (0: as fast as they go), for `seconds`.

    Odd orders hold, at times, values at the edges of their types.
    """

    rate: float
    seconds: float
    seed: int = 1
    sources: tuple[str, ...] = SOURCES
    bad_rate: float = 0.0
    odd: bool = False


@dataclass
class Summary:
    """What was played; `counts` has the number of changes per source and kind, every kind from the start."""

    seconds: float = 0.0
    late_seconds: float = 0.0
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def changes(self) -> int:
        """All changes of all sources."""
        return sum(counter.total() for counter in self.counts.values())

    @property
    def rate(self) -> float:
        """Changes a second, as achieved."""
        return self.changes / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, object]:
        """The summary for machines."""
        return {
            "changes": self.changes,
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 1),
            "late_seconds": round(self.late_seconds, 3),
            "sources": {source: dict(+counter) for source, counter in self.counts.items()},
        }


class Traffic:
    """One run of traffic, a thread for each source."""

    def __init__(self, endpoints: Endpoints, load: Load, committed: Committed = lambda *_: None) -> None:
        """Connect to the sources; `committed` is called after each commit, in its source's thread.

        Raises:
            DroplessError: a source is unknown or does not answer, or the load makes no sense.
        """
        _check(load)
        self._load = load
        self._committed = committed
        self._stop = threading.Event()
        self._failures: list[tuple[str, Exception]] = []
        self._shops: dict[str, Shop] = {}
        self.summary = Summary(counts={source: Counter(dict.fromkeys(map(str, Kind), 0)) for source in load.sources})
        for source in load.sources:
            self._shops[source] = open_shop(source, endpoints)

    def stop(self) -> None:
        """Let every source finish the transaction it is in, and no other."""
        self._stop.set()

    def run(self) -> Summary:
        """Play the load to its end or until stopped; what was played.

        Raises:
            DroplessError: a source failed.
        """
        start, began = datetime.now(UTC), time.monotonic()
        threads = [
            threading.Thread(target=self._guard, args=(source, start), name=f"traffic-{source}", daemon=True)
            for source in self._load.sources
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                # In slices, so that the main thread stays open to Ctrl-C.
                while thread.is_alive():
                    thread.join(0.2)
        finally:
            self.stop()
            for thread in threads:
                thread.join()
            for shop in self._shops.values():
                shop.close()
            self.summary.seconds = time.monotonic() - began
        for source, failure in self._failures:
            raise DroplessError(f"Traffic into {source!r} failed: {str(failure).strip().splitlines()[0]}") from failure
        return self.summary

    def _guard(self, source: str, start: datetime) -> None:
        try:
            self._play(source, start)
        except (psycopg.Error, PyMongoError) as failure:
            self._failures.append((source, failure))
            self.stop()

    def _play(self, source: str, start: datetime) -> None:
        shop = self._shops[source]
        adopted = shop.adopt(_ADOPTED)
        cycles = LifeCycles(
            f"{self._load.seed}/{source}", adopted, shop.faults, self._load.bad_rate, odd=self._load.odd
        )
        each = iter(cycles)
        schedule = self._scheduled(each, source, start) if self._load.rate else self._unscheduled(each)
        for changes in schedule:
            shop.commit(changes)
            self._committed(source, changes, datetime.now(UTC))
            self.summary.counts[source].update(due.change.kind.value for due in changes)

    def _scheduled(self, cycles: Iterator[list[Change]], source: str, start: datetime) -> Iterator[list[Due]]:
        """The transactions, each when it is due; the number of changes depends on the load alone."""
        number = len(self._load.sources)
        step = number / self._load.rate
        # The sources take turns within a step.
        begin = step * self._load.sources.index(source) / number
        count = max(1, round(self._load.seconds / step))
        played = 0
        batch: list[Due] = []
        while played < count and not self._stop.is_set():
            changes = next(cycles)[: count - played]
            due = start + timedelta(seconds=begin + played * step)
            late = (datetime.now(UTC) - due).total_seconds()
            if batch and (late < _LATE_SECONDS or len(batch) >= _BATCH):
                yield batch
                batch = []
            # A commit took time, so the lateness is asked for again.
            late = (datetime.now(UTC) - due).total_seconds()
            self.summary.late_seconds = max(self.summary.late_seconds, late)
            if late < 0 and self._stop.wait(-late):
                return
            batch += [Due(change, due) for change in changes]
            played += len(changes)
            if late < _LATE_SECONDS:
                yield batch
                batch = []
        if batch:
            yield batch

    def _unscheduled(self, cycles: Iterator[list[Change]]) -> Iterator[list[Due]]:
        """Large transactions, back to back, until the time is over."""
        deadline = time.monotonic() + self._load.seconds
        while time.monotonic() < deadline and not self._stop.is_set():
            batch: list[Due] = []
            while len(batch) < _BATCH:
                now = datetime.now(UTC)
                batch += [Due(change, now) for change in next(cycles)]
            yield batch


def _check(load: Load) -> None:
    if load.rate < 0:
        raise DroplessError(f"The rate is {load.rate:g}; it must be 0 (as fast as possible) or more changes a second.")
    if load.seconds <= 0:
        raise DroplessError(f"The time is {load.seconds:g} s; it must be more than 0.")
    if not 0 <= load.bad_rate <= 1:
        raise DroplessError(f"The share of bad rows is {load.bad_rate:g}; it must be from 0 to 1.")
    if not load.sources or len(set(load.sources)) != len(load.sources):
        raise DroplessError("Name each source once, and at least one.")


def parse_sources(text: str) -> tuple[str, ...]:
    """The sources of a comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def play(endpoints: Endpoints, load: Load) -> Summary:
    """Play a load without any display."""
    return Traffic(endpoints, load).run()
