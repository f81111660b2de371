"""How far a reader of a topic is behind, and whether it still moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# A transaction ends with a marker: it has an offset, but no reader ever gets it.
MARKER: Final = 1

Position = tuple[str, int]
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
    """Each partition's lag; a reader that never said how far it is stands at the partition's start."""
    return [
        Lag(topic, number, read.get((topic, number), starts[topic, number]), end)
        for (topic, number), end in sorted(ends.items())
    ]


def stalled(now: list[Lag], before: Mapping[Position, int]) -> list[Lag]:
    """The partitions with records to read on which the reader has not moved since the look `before`.

    Args:
        now: the present state.
        before: each partition's position at an earlier look, at least a tick ago.
    """
    return [each for each in now if each.records and before.get((each.topic, each.partition)) == each.position]
