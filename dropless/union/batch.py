"""What one transaction holds: pure, so that what is processed and what is committed cannot differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Message, TopicPartition

from dropless.records import Partition, origin
from dropless.union.outcome import Dead, Mapper

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Route:
    """Where a raw topic's records come from, and how they become rows."""

    source: str
    mapper: Mapper


@dataclass
class Batch:
    """The rows, dead letters and offsets of one transaction."""

    rows: list[tuple[bytes, bytes]] = field(default_factory=list)
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
    for message in messages:
        topic, partition, offset = origin(message)
        place = (topic, partition)
        if offset < batch.next.get(place, positions.get(place, 0)):
            continue
        batch.first.setdefault(place, offset)
        batch.next[place] = offset + 1
        route = routes[topic]
        counts = batch.counts.setdefault(route.source, Counter())
        counts["in"] += 1
        key, value = message.key(), message.value()
        mapped = route.mapper(key, value, partition, offset)
        if mapped is None:
            counts["skipped"] += 1
        elif isinstance(mapped, Dead):
            counts["dead"] += 1
            batch.dead.append((key, value, _headers(mapped, message, route.source)))
        else:
            counts["out"] += 1
            batch.rows.append((mapped.key, mapped.value))
    return batch


def _headers(dead: Dead, message: Message, source: str) -> Headers:
    headers = [("reason", dead.reason.encode())]
    if dead.column is not None:
        headers.append(("column", dead.column.encode()))
    topic, partition, offset = origin(message)
    told = {"topic": topic, "partition": str(partition), "offset": str(offset), "source": source}
    return headers + [(name, text.encode()) for name, text in told.items()]
