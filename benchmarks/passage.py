"""Seeing changes pass: at the raw topics, at the unified topic, in Pinot and in the lake."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from confluent_kafka import Consumer, Message, TopicPartition
from deltalake import DeltaTable

from dropless import durability, names, pinot
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.example.shop import Due
from dropless.lake.store import Store
from resources.cluster import ClusterView

PINOT_PERIOD: Final = 0.02
LAKE_PERIOD: Final = 0.25
# How far back Pinot is asked: wide enough for anything late, and short enough for a quick answer.
WINDOW_SECONDS: Final = 15
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Origin = tuple[str, int, int]


@dataclass
class Trace:
    """One change on its way; moments in seconds since 1970."""

    key: str
    position: int
    place: tuple[int, int]
    unified: float
    raw: float | None = None
    intended: float | None = None
    committed: float | None = None
    pinot: float | None = None
    lake: float | None = None


@dataclass
class Commits:
    """When changes were meant to happen and when they were committed, by source and time of change."""

    moments: dict[tuple[str, int], tuple[float, float]] = field(default_factory=dict)

    def note(self, source: str, changes: Sequence[Due], moment: datetime) -> None:
        """Remember a commit; MongoDB keeps its times to the millisecond only."""
        for due in changes:
            self.moments[source, _stamp(source, due.at)] = (due.at.timestamp(), moment.timestamp())


def _stamp(source: str, at: datetime) -> int:
    microseconds = (at - _EPOCH) // timedelta(microseconds=1)
    return microseconds // 1000 * 1000 if source == "marketplace" else microseconds


class Watcher(threading.Thread):
    """Does one look after another until told to stop; a failure is raised by `finish`."""

    def __init__(self, look: Callable[[], None], period: float = 0.0) -> None:
        super().__init__(daemon=True)
        self._look, self._period = look, period
        self._stopped = threading.Event()
        self._failure: Exception | None = None
        self.looks: list[float] = []
        self.start()

    def run(self) -> None:  # noqa: D102 - the thread's own
        try:
            while not self._stopped.is_set():
                began = time.monotonic()
                self._look()
                self._stopped.wait(max(0.0, self._period - (time.monotonic() - began)))
                self.looks.append(time.monotonic() - began)
        except Exception as failure:  # noqa: BLE001 - raised again in the main thread
            self._failure = failure

    def finish(self) -> None:
        """Stop looking, and raise what went wrong."""
        self._stopped.set()
        self.join()
        if self._failure:
            raise self._failure


class Probe:
    """The four places at which changes are seen."""

    def __init__(self, endpoints: Endpoints, contract: Contract) -> None:
        self._endpoints, self._contract = endpoints, contract
        self.raw: dict[Origin, float] = {}
        self.unified: dict[Origin, tuple[float, dict[str, Any], tuple[int, int]]] = {}
        self.pinot: list[tuple[float, dict[str, int]]] = []
        self.lake: list[tuple[float, dict[int, int]]] = []
        self._began = int(time.time() * 1000) - 5000
        self._seen: dict[str, int] = {}
        store = Store.reader(endpoints)
        self._lake = DeltaTable(store.uri(names.changes_table(contract.name)), storage_options=store.delta_options())
        raw = [names.raw_topic(contract.name, source.name) for source in contract.sources]
        self._raw = self._at_end(raw)
        self._unified = self._at_end([names.unified_topic(contract.name)])

    def start(self) -> list[Watcher]:
        """Begin to look at all four places."""
        return [
            Watcher(self._look_raw),
            Watcher(self._look_unified),
            Watcher(self._look_pinot, PINOT_PERIOD),
            Watcher(self._look_lake, LAKE_PERIOD),
        ]

    def _at_end(self, topics: list[str]) -> Consumer:
        view = ClusterView(self._endpoints)
        ends = view.ends(view.partitions(topics))
        # As a reader with the lowest delay is set up, not one with the highest throughput.
        config = durability.positioned_consumer(self._endpoints, "dropless.benchmark", "dropless.benchmark")
        consumer = Consumer(config | {"fetch.wait.max.ms": 10, "enable.partition.eof": False})
        consumer.assign([TopicPartition(*each, offset) for each, offset in ends.items()])
        return consumer

    def _look_raw(self) -> None:
        for message, now in _arrivals(self._raw):
            if message.value() is not None:
                self.raw[message.topic() or "", message.partition() or 0, message.offset() or 0] = now

    def _look_unified(self) -> None:
        for message, now in _arrivals(self._unified):
            row = orjson.loads(message.value() or b"{}")
            origin = row["_topic"], row["_partition"], row["_offset"]
            self.unified[origin] = (now, row, (message.partition() or 0, message.offset() or 0))

    def _look_pinot(self) -> None:
        since = max(self._began, int((time.time() - WINDOW_SECONDS) * 1000))
        query = (
            f'select "_key", "_position" from "{self._contract.name}" where "_committed_at" >= {since} '
            f"limit {pinot.UNLIMITED}"
        )
        rows = pinot.select(self._endpoints, query).rows
        now = time.time()
        fresh = {key: position for key, position in rows if self._seen.get(key) != position}
        self._seen |= fresh
        if fresh:
            self.pinot.append((now, fresh))

    def _look_lake(self) -> None:
        self._lake.update_incremental()
        now = time.time()
        topic = names.unified_topic(self._contract.name)
        numbers = range(self._contract.partitions)
        versions = {number: self._lake.transaction_version(f"dropless:{topic}:{number}") for number in numbers}
        found = {number: version for number, version in versions.items() if version is not None}
        if not self.lake or self.lake[-1][1] != found:
            self.lake.append((now, found))


def _arrivals(consumer: Consumer) -> Iterator[tuple[Message, float]]:
    message = consumer.poll(0.2)
    if message is not None:
        error = message.error()
        if error is not None:
            raise DroplessError(f"A topic cannot be read: {error.str()}.")
        yield message, time.time()


def traces(probe: Probe, commits: Commits) -> list[Trace]:
    """Every change that was seen, with the moments at which it was seen where."""
    found = []
    for origin, (moment, row, place) in probe.unified.items():
        trace = Trace(row["_key"], row["_position"], place, moment, raw=probe.raw.get(origin))
        if not row["_deleted"]:
            trace.intended, trace.committed = commits.moments.get((row["_source"], row["updated_at_us"]), (None, None))
        found.append(trace)
    _see_in_pinot(found, probe)
    for trace in found:
        partition, offset = trace.place
        trace.lake = next((at for at, positions in probe.lake if positions.get(partition, 0) > offset), None)
    return found


def _see_in_pinot(found: list[Trace], probe: Probe) -> None:
    # A version that was overwritten between two looks is visible with the one that took its place.
    by_key: dict[str, list[tuple[float, int]]] = {}
    for moment, fresh in probe.pinot:
        for key, position in fresh.items():
            by_key.setdefault(key, []).append((moment, position))
    for trace in found:
        looks = by_key.get(trace.key, [])
        trace.pinot = next((moment for moment, position in looks if position >= trace.position), None)
