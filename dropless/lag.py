"""How far a reader of a topic is behind, in records and in seconds, and whether it still moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dropless.records import Partition

# A transaction ends with a marker: it has an offset, but no reader ever gets it.
MARKER: Final = 1

Position = Partition
"""A topic and a partition's number."""


@dataclass(frozen=True)
class Lag:
    """One partition, as one reader has it: the next offset to read against the next one to be written."""

    topic: str
    partition: int
    position: int
    end: int

    @property
    def records(self) -> int:
        """Records not yet read; aborted ones and inner markers count, the last marker does not."""
        return max(0, self.end - self.position - MARKER)


def lags(ends: Mapping[Position, int], starts: Mapping[Position, int], read: Mapping[Position, int]) -> list[Lag]:
    """Each partition's lag; a reader that never said how far it is stands at the partition's start.

    `starts` needs to hold only those partitions that are not in `read`.
    """
    return [Lag(*place, read[place] if place in read else starts[place], end) for place, end in sorted(ends.items())]


def stalled(now: list[Lag], before: Mapping[Position, int]) -> list[Lag]:
    """The partitions with records to read on which the reader has not moved since the look `before`.

    Args:
        now: the present state.
        before: each partition's position at an earlier look, at least a tick ago.
    """
    return [each for each in now if each.records and before.get((each.topic, each.partition)) == each.position]


Mark = tuple[float, int]
"""A moment, in seconds since 1970, and a partition's end then."""

MARKS: Final = 12
"""How many marks are kept of a partition on which its reader is behind."""


def marked(marks: Sequence[Mark], lag: Lag, now: float) -> list[Mark]:
    """A partition's marks after one more look: those that still tell how old its first unread record is.

    That is the newest one that the reader has passed, and all later ones, thinned out when there are many.
    """
    passed = [mark for mark in marks if mark[1] <= lag.position + MARKER]
    kept = [*passed[-1:], *(mark for mark in marks if mark[1] > lag.position + MARKER), (now, lag.end)]
    if len(kept) > MARKS:
        kept = [mark for number, mark in enumerate(kept) if number % 2 == 0 or number == len(kept) - 1]
    return kept


def seconds_behind(marks: Sequence[Mark], lag: Lag, now: float) -> float:
    """At most how old a partition's first unread record is; 0 when everything is read.

    When the reader was behind already at the first mark, its age is told since then: at least so old.
    """
    if not lag.records or not marks:
        return 0.0
    passed = [at for at, end in marks if end <= lag.position + MARKER]
    return max(0.0, now - (passed[-1] if passed else marks[0][0]))


def trend(before: tuple[float, int] | None, now: float, records: int) -> float:
    """By how many records a second the lag grows (below 0: shrinks) since a look, given as its moment and lag."""
    if before is None or now <= before[0]:
        return 0.0
    return (records - before[1]) / (now - before[0])
