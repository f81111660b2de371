"""What one transaction holds: pure, so that what is processed and what is committed cannot differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import cast

from confluent_kafka import Message, TopicPartition

from dropless.records import Partition, origin
from dropless.union.outcome import Dead, Mapper, Row

Headers = list[tuple[str, str | bytes | None]]

# A consumed record always has them; a cast a record would be a tenth of the loop.
_topic = cast("Callable[[Message], str]", Message.topic)
_partition = cast("Callable[[Message], int]", Message.partition)
_offset = cast("Callable[[Message], int]", Message.offset)


@dataclass(frozen=True)
class Route:
    """Where a raw topic's records come from, and how they become rows."""

    source: str
    mapper: Mapper


@dataclass
class Batch:
    """The rows, dead letters and offsets of one transaction."""

    rows: list[Row] = field(default_factory=list)
    dead: list[tuple[bytes | None, bytes | None, Headers]] = field(default_factory=list)
    first: dict[Partition, int] = field(default_factory=dict)
    next: dict[Partition, int] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether not even an offset moves."""
        return not self.next

    def offsets(self) -> list[TopicPartition]:
        """Last processed + 1 of every partition: never what was merely fetched."""
        return [TopicPartition(topic, partition, offset) for (topic, partition), offset in self.next.items()]


def fill(messages: Iterable[Message], routes: Mapping[str, Route], positions: Mapping[Partition, int]) -> Batch:
    """Map records, in their order; a record below its partition's position is stale and left out."""
    batch = Batch()
    # Records come in runs of one partition, so most is looked up once a run.
    for place, run in groupby(messages, _place):
        route = routes[place[0]]
        before = len(batch.rows), len(batch.dead)
        taken = _fill(batch, place, run, route, batch.next.get(place, positions.get(place, 0)))
        if taken:
            out, dead = len(batch.rows) - before[0], len(batch.dead) - before[1]
            counts = batch.counts.setdefault(route.source, Counter())
            counts.update({"in": taken, "out": out, "dead": dead, "skipped": taken - out - dead})
    return batch


def _fill(batch: Batch, place: Partition, run: Iterable[Message], route: Route, position: int) -> int:
    """Map a run of one partition's records from its position on; how many were taken."""
    partition, mapper, add = place[1], route.mapper, batch.rows.append
    taken = 0
    for message in run:
        offset = _offset(message)
        if offset < position:
            continue
        if not taken:
            batch.first.setdefault(place, offset)
        taken += 1
        position = offset + 1
        key, value = message.key(), message.value()
        mapped = mapper(key, value, partition, offset)
        if isinstance(mapped, Row):
            add(mapped)
        elif isinstance(mapped, Dead):
            batch.dead.append((key, value, _headers(mapped, message, route.source)))
    if taken:
        batch.next[place] = position
    return taken


def _place(message: Message) -> Partition:
    return _topic(message), _partition(message)


def _headers(dead: Dead, message: Message, source: str) -> Headers:
    headers: Headers = [("reason", dead.reason.encode())]
    if dead.column is not None:
        headers.append(("column", dead.column.encode()))
    topic, partition, offset = origin(message)
    told = {"topic": topic, "partition": str(partition), "offset": str(offset), "source": source}
    return headers + [(name, text.encode()) for name, text in told.items()]
