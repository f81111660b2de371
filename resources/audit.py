"""Audits a running union: reads its raw topics and everything that came out of them, since the last audit."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Message

from dropless import dead_letters, names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.passwords import write
from dropless.records import REPLAYED, Partition, headers, origin
from dropless.union.ledger import Anomaly, Finding, Ledger, Window
from dropless.union.mapping import EPOCH_BITS
from resources.cluster import ClusterView
from resources.committed import CommittedReader, Progress
from resources.compaction import Compaction
from resources.topic_admin import TopicAdmin


@dataclass(frozen=True)
class Report:
    """What an audit read and found."""

    table: str
    records: int
    rows: int
    dead: int
    compacted: int
    """Records whose rows compaction removed, since a newer version of their key is there."""
    unaudited: int
    """Offsets that were deleted from the raw topics before any audit: nothing can be said about them."""
    findings: tuple[Finding, ...]
    seconds: float
    operations: Mapping[str, int] = field(default_factory=dict)
    """Of the rows: how many by operation (c, u, d, r)."""


@dataclass(frozen=True)
class Bookmark:
    """Where the last audit ended: next offsets of every topic, and what the ledger carries over.

    `topics` has the id of every topic, since one that was made anew has another, whatever its offsets.
    """

    next: dict[Partition, int]
    early: dict[Partition, set[int]]
    latest: dict[tuple[Partition, Partition], int]
    topics: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Bookmark:
        """Read it; the beginning of everything when there was no audit."""
        if not path.exists():
            return cls({}, {}, {})
        told = json.loads(path.read_text())
        return cls(
            {(topic, number): offset for topic, number, offset in told["next"]},
            {(topic, number): set(offsets) for topic, number, offsets in told["early"]},
            {((a, b), (c, d)): offset for a, b, c, d, offset in told["latest"]},
            told.get("topics", {}),
        )

    def of(self, topics: Mapping[str, str], outputs: Collection[str]) -> Bookmark:
        """What of it holds for the topics that there are, by name with their ids."""
        anew = {name for name, number in topics.items() if self.topics.get(name, number) != number}
        if anew.intersection(outputs):
            return Bookmark({}, {}, {})
        return Bookmark(
            {place: offset for place, offset in self.next.items() if place[0] not in anew},
            {place: offsets for place, offsets in self.early.items() if place[0] not in anew},
            {(output, raw): offset for (output, raw), offset in self.latest.items() if raw[0] not in anew},
        )

    def save(self, path: Path) -> None:
        """Keep it, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        told: dict[str, Any] = {
            "next": [[*place, offset] for place, offset in self.next.items()],
            "early": [[*place, sorted(offsets)] for place, offsets in self.early.items() if offsets],
            "latest": [[*output, *raw, offset] for (output, raw), offset in self.latest.items()],
            "topics": self.topics,
        }
        write(path, json.dumps(told))


def audit(
    endpoints: Endpoints,
    contract: Contract,
    bookmark: Path,
    *,
    accept: bool = False,
    progress: Progress = lambda _: None,
) -> Report:
    """See that every committed raw record since the last sound audit came out exactly once and in order.

    An audit with findings does not move the bookmark: the next one tells them again, until they are accepted.

    Args:
        endpoints: The running systems.
        contract: The unified table.
        bookmark: The file that remembers how far the last audit came; without it all is read.
        accept: Move the bookmark past findings, too.
        progress: Told the number of records read since it was last told.

    Raises:
        Unreachable: Kafka does not answer.
        NotReady: a topic could not be read to its end in time.
    """
    began = time.monotonic()
    view = ClusterView(endpoints)
    epochs = {names.raw_topic(contract.name, source.name): source.epoch for source in contract.sources}
    both = [names.unified_topic(contract.name), names.dead_topic(contract.name)]
    ids = TopicAdmin(endpoints).ids([*epochs, *both])
    last = Bookmark.load(bookmark).of(ids, both)
    # In this order: whatever the union had committed before the outputs' ends are taken is below them.
    committed = view.committed(names.union_group(contract.name))
    raw = view.partitions(epochs)
    outputs = view.partitions(both)
    # Where the last audit ended, or at the first record that is still there.
    starts = view.starts([*raw, *outputs])
    begins = {place: max(last.next.get(place, 0), start) for place, start in starts.items()}
    # A group whose offsets were set back has no window: what it does again is told as duplicates.
    ends = {place: max(committed.get(place, 0), begins[place]) for place in raw} | view.ends(outputs)
    unaudited = {place: (last.next.get(place, 0), begins[place]) for place in raw}

    ledger = Ledger({place: Window(begins[place], ends[place]) for place in raw}, latest=dict(last.latest))
    ledger.carry({place: {each for each in ahead if each >= begins[place]} for place, ahead in last.early.items()})
    counts, operations = Counter[str](), Counter[str]()
    reader = CommittedReader(endpoints, f"audit.{contract.name}", progress)
    for message in reader.read({place: (begins[place], ends[place]) for place in outputs}):
        topic, partition, offset = origin(message)
        if topic == names.unified_topic(contract.name):
            counts["rows"] += 1
            row = orjson.loads(message.value() or b"null")
            found = _row_origin(message, row, epochs)
            operations[row["_op"]] += 1
        else:
            counts["dead"] += 1
            found = _dead_origin(message)
        if found is None:
            continue
        place, source_offset = found
        first, after = unaudited.get(place, (0, 0))
        if not first <= source_offset < after:
            replayed = REPLAYED in headers(message)
            ledger.outcome((topic, partition), offset, place, source_offset, replayed=replayed)
    compaction = Compaction(view, contract)
    for message in reader.read({place: (begins[place], ends[place]) for place in raw}):
        topic, partition, offset = origin(message)
        if message.value() is not None:
            ledger.raw((topic, partition), offset)
            counts["records"] += 1
            if ledger.missing((topic, partition), offset):
                compaction.question(message)
    for place, offset in compaction.removed(reader):
        ledger.excuse(place, offset)
        counts["compacted"] += 1
    findings = [*ledger.close(), *_deleted_unread(committed, starts)]
    if accept or not findings:
        Bookmark(ends, ledger.early, ledger.latest, ids).save(bookmark)
    return Report(
        contract.name,
        records=counts["records"],
        rows=counts["rows"],
        dead=counts["dead"],
        compacted=counts["compacted"],
        unaudited=sum(max(0, after - first) for first, after in unaudited.values()),
        findings=tuple(findings),
        seconds=time.monotonic() - began,
        operations=dict(operations),
    )


def _deleted_unread(committed: dict[Partition, int], starts: dict[Partition, int]) -> Iterator[Finding]:
    for place, offset in committed.items():
        # One offset alone is, as a rule, the marker that ends the last transaction.
        if offset + 1 < starts.get(place, 0):
            detail = f"and all up to {starts[place] - 1} were deleted from the topic before the union read them"
            yield Finding(Anomaly.LOST_WRITE, *place, offset, detail)


def _row_origin(message: Message, row: Any, epochs: Mapping[str, int]) -> tuple[Partition, int] | None:
    """The raw record of a row; None when that went with the topic of an earlier epoch."""
    try:
        if row["_position"] >> EPOCH_BITS < epochs.get(row["_topic"], 0):
            return None
        return (row["_topic"], row["_partition"]), row["_offset"]
    except (KeyError, TypeError):
        raise _foreign(message) from None


def _dead_origin(message: Message) -> tuple[Partition, int]:
    letter = dead_letters.read(message)
    if letter is None:
        raise _foreign(message)
    topic, partition, offset = letter.origin
    return (topic, partition), offset


def _foreign(message: Message) -> DroplessError:
    topic, partition, offset = origin(message)
    return DroplessError(
        f"{topic}[{partition}]@{offset} was not written by the union: it does not say which raw record it came from."
    )
