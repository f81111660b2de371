"""How long a change takes from its source's commit to Pinot and to the lake, stage by stage.

Open loop: changes are meant to happen at fixed times, whether or not the system keeps up, and a late
one counts from the time at which it was meant. Ends in the check that source, Pinot and lake are equal;
without it the figures are void.

    .venv/bin/python benchmarks/latency.py --seconds 60

A stage's end is when a reader had the record in hand: a committed-only consumer for the topics, the answer
to a query for Pinot, the Delta log for the lake. So Pinot's and the lake's figures include up to one polling
period, which is told beside them. A change of an order that was removed within it carries no time of its own
in the source, so removals count from the raw topic on.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Annotated, Any

import orjson
import typer
from confluent_kafka import Consumer, Message, TopicPartition
from deltalake import DeltaTable
from rich.console import Console
from rich.table import Table

from dropless import durability, names, pinot
from dropless.contract import Contract
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.example.agreement import wait_for_agreement
from dropless.example.shop import Due
from dropless.example.traffic import Load, Traffic
from dropless.lake.store import Store
from dropless.settings import Settings
from resources.cluster import ClusterView

TABLE = "orders"
PINOT_PERIOD = 0.02
LAKE_PERIOD = 0.25
SETTLE_SECONDS = 30.0
AGREE_SECONDS = 10.0

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

    def note(self, source: str, changes: object, moment: datetime) -> None:
        """Remember a commit; MongoDB keeps its times to the millisecond only."""
        for due in changes:  # type: ignore[attr-defined]
            assert isinstance(due, Due)
            self.moments[source, _stamp(source, due.at)] = (due.at.timestamp(), moment.timestamp())


def _stamp(source: str, at: datetime) -> int:
    microseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
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
        # The window is wide enough for anything late, and moves so that answers stay short.
        since = max(self._began, int(time.time() * 1000) - 15_000)
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
        if message.error() is not None:
            raise DroplessError(f"A topic cannot be read: {message.error().str()}.")
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


STAGES: dict[str, tuple[str, str]] = {
    "intended -> commit": ("intended", "committed"),
    "commit -> raw topic": ("committed", "raw"),
    "raw -> unified topic": ("raw", "unified"),
    "unified topic -> Pinot": ("unified", "pinot"),
    "unified topic -> lake": ("unified", "lake"),
    "commit -> Pinot": ("committed", "pinot"),
    "intended -> Pinot": ("intended", "pinot"),
    "intended -> lake": ("intended", "lake"),
}


def figures(found: list[Trace]) -> dict[str, dict[str, float]]:
    """Per stage the number of changes, p50, p99 and maximum, in milliseconds."""
    result = {}
    for stage, (begin, end) in STAGES.items():
        spans = [
            1000 * (getattr(trace, end) - getattr(trace, begin))
            for trace in found
            if getattr(trace, begin) is not None and getattr(trace, end) is not None
        ]
        if len(spans) > 1:
            cuts = quantiles(spans, n=100, method="inclusive")
            result[stage] = {"changes": len(spans), "p50": cuts[49], "p99": cuts[98], "max": max(spans)}
    return result


def main(
    *,
    seconds: Annotated[float, typer.Option(help="How long.")] = 60.0,
    rate: Annotated[float, typer.Option(help="Changes a second over all sources.")] = 50.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same changes.")] = 1,
    warm_up: Annotated[float, typer.Option(help="Seconds of the same traffic before, not measured.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures for machines.")] = False,
) -> None:
    """Measure latency per stage at a fixed rate of changes."""
    settings = Settings.load()
    endpoints = Endpoints.local(settings)
    contract = declared(settings, TABLE)
    console = Console(stderr=True)
    commits = Commits()
    with console.status(f"Warming up for {warm_up:g} s"):
        Traffic(endpoints, Load(rate, warm_up, seed + 1)).run()
    with console.status(f"{rate:g} changes a second for {seconds:g} s"):
        probe = Probe(endpoints, contract)
        watchers = probe.start()
        summary = Traffic(endpoints, Load(rate, seconds, seed), commits.note).run()
        _settle(probe, len(commits.moments))
        for watcher in watchers:
            watcher.finish()
    with console.status("Checking that source, Pinot and lake are equal"):
        agreement = wait_for_agreement(endpoints, contract, AGREE_SECONDS)
    found = traces(probe, commits)
    result = figures(found)
    unseen = sum(trace.pinot is None or trace.lake is None for trace in found)
    periods = {
        "pinot": 1000 * sum(watchers[2].looks) / max(1, len(watchers[2].looks)),
        "lake": 1000 * sum(watchers[3].looks) / max(1, len(watchers[3].looks)),
    }
    if as_json:
        document = {
            "rate": rate, "seconds": seconds, "seed": seed, "changes": summary.changes, "stages_ms": result,
            "polling_period_ms": periods, "unseen": unseen, "equal": agreement.reached,
        }  # fmt: skip
        typer.echo(json.dumps(document))
    else:
        Console().print(_table(result, f"{summary.changes:,} changes at {rate:g} a second", periods))
    console.print(str(agreement), markup=False)
    if not agreement.reached or unseen:
        raise DroplessError(f"The figures are void: {unseen} changes were not seen everywhere, or not all is equal.")


def _settle(probe: Probe, commits: int) -> None:
    """Wait until the lake, the slowest, has the newest unified record."""
    del commits
    deadline = time.monotonic() + SETTLE_SECONDS
    quiet = 0.0
    while time.monotonic() < deadline and quiet < 2.0:
        before = len(probe.unified)
        time.sleep(0.5)
        places = [place for _, _, place in list(probe.unified.values())]
        positions = probe.lake[-1][1] if probe.lake else {}
        done = len(places) == before and all(positions.get(partition, 0) > offset for partition, offset in places)
        quiet = quiet + 0.5 if done else 0.0


def _table(result: dict[str, dict[str, float]], title: str, periods: dict[str, float]) -> Table:
    caption = f"Milliseconds. Pinot was asked every {periods['pinot']:.0f} ms, the lake every {periods['lake']:.0f} ms."
    table = Table("stage", title=title, caption=caption)
    for name in ("changes", "p50", "p99", "max"):
        table.add_column(name, justify="right")
    for stage, figure in result.items():
        table.add_row(stage, *(f"{figure[name]:,.0f}" for name in ("changes", "p50", "p99", "max")))
    return table


if __name__ == "__main__":
    try:
        typer.run(main)
    except DroplessError as error:
        sys.exit(f"Error: {error}")
