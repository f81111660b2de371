"""What came of it: a source's raw topic, read as it grows, and the newest unified rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
from captured import FIRST_MARKER, Captured
from confluent_kafka import Message
from sources import Change

from dropless import names
from dropless.records import origin
from dropless.union.envelope import change_reader
from resources.cluster import ClusterView
from resources.committed import CommittedReader


class Topic:
    """A topic's committed records, in each partition's order, from the first on and only once."""

    def __init__(self, captured: Captured, topic: str) -> None:
        self._view = ClusterView(captured.endpoints)
        self._topic = topic
        self._reader = CommittedReader(captured.endpoints, f"test.{topic}")
        self._next: dict[tuple[str, int], int] = {}

    def ends(self) -> dict[tuple[str, int], int]:
        return self._view.ends(self._view.partitions([self._topic]))

    def more(self) -> Iterator[Message]:
        """The records that have come since the last time."""
        ends = self.ends()
        yield from self._reader.read({place: (self._next.get(place, 0), end) for place, end in ends.items()})
        self._next = ends


class Raw:
    """The changes of one source as the raw topic has them."""

    def __init__(self, captured: Captured, source: str) -> None:
        self.topic = Topic(captured, names.raw_topic(captured.table, source))
        self._change = change_reader(captured.contract.source(source))
        self.changes: Counter[Change] = Counter()
        self.read: Counter[int] = Counter()
        self.records = 0
        self.markers: set[int] = set()
        self.disordered: list[str] = []
        self._latest: dict[int, tuple[int, bool]] = {}

    def advance(self) -> None:
        """Take in what came since the last time."""
        for message in self.topic.more():
            if message.value() is None:
                continue
            self.records += 1
            envelope = orjson.loads(message.value())
            op = envelope["op"]
            if op == "t":
                self.changes["t", None, None] += 1
                continue
            row = self._change(message.value()).row
            number, change = _long(row.get("id", row.get("_id"))), _long(row["change"])
            if number >= FIRST_MARKER:
                if op == "c":
                    self.markers.add(number)
            elif op == "r":
                self.read[number] += 1
            else:
                self.changes[op, number, change] += 1
                self._in_order(op, number, change, message)

    def _in_order(self, op: str, number: int, change: int, message: Message) -> None:
        place = (change, op == "d")
        if place <= self._latest.get(number, (-1, False)):
            self.disordered.append(f"{op} {place} of {number} at {origin(message)}")
        self._latest[number] = place


def _long(value: Any) -> int:
    return int(value["$numberLong"]) if isinstance(value, dict) else int(value)


def newest(captured: Captured) -> dict[str, dict[str, Any]]:
    """The unified rows by key: of each the newest version, deleted ones left out."""
    found: dict[str, dict[str, Any]] = {}
    for message in Topic(captured, names.unified_topic(captured.table)).more():
        row = orjson.loads(message.value())
        if row["_key"] not in found or row["_position"] > found[row["_key"]]["_position"]:
            found[row["_key"]] = row
    columns = captured.contract.columns
    return {key: {each.name: row[each.field] for each in columns} for key, row in found.items() if not row["_deleted"]}
