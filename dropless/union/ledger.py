"""The books of the union: every committed raw record against what came out of it.

Pure: it is told what was read and says what is wrong, in Jepsen's words. Memory is two bytes for
each raw offset of the window that is audited, whatever the size of the records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from dropless.records import Partition


class Anomaly(StrEnum):
    """What can be wrong with the outcome of a raw record (https://jepsen.io/consistency)."""

    LOST_WRITE = "lost-write"
    DUPLICATE = "duplicate"
    ABORTED_READ = "aborted-read"
    NONMONOTONIC = "nonmonotonic"


@dataclass(frozen=True)
class Finding:
    """One anomaly and the raw record it is about."""

    anomaly: Anomaly
    topic: str
    partition: int
    offset: int
    detail: str


@dataclass
class Window:
    """The raw offsets of one partition from `start` to before `end`."""

    start: int
    end: int
    expected: np.ndarray = field(init=False)
    seen: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.expected = np.zeros(self.end - self.start, np.uint8)
        self.seen = np.zeros(self.end - self.start, np.uint8)


@dataclass
class Ledger:
    """What went in and came out between two audits.

    `early` holds offsets at or after a window's end that already came out, for the next audit;
    `latest` the newest raw offset that each output partition holds of each raw partition.
    """

    windows: dict[Partition, Window]
    early: dict[Partition, set[int]] = field(default_factory=dict)
    latest: dict[tuple[Partition, Partition], int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def carry(self, early: dict[Partition, set[int]]) -> None:
        """Enter what the last audit saw ahead of its windows."""
        for place, offsets in early.items():
            for offset in offsets:
                self._enter(place, offset)

    def raw(self, place: Partition, offset: int) -> None:
        """A committed raw record that must have exactly one outcome."""
        window = self.windows[place]
        if window.start <= offset < window.end:
            window.expected[offset - window.start] = 1

    def missing(self, place: Partition, offset: int) -> bool:
        """Whether a raw record of the window has no outcome so far."""
        window = self.windows[place]
        return window.start <= offset < window.end and window.seen[offset - window.start] == 0

    def excuse(self, place: Partition, offset: int) -> None:
        """A raw record's outcome was there and was removed for a good reason."""
        window = self.windows[place]
        window.expected[offset - window.start] = 0

    def outcome(self, output: Partition, at: int, place: Partition, offset: int, *, replayed: bool = False) -> None:
        """A row or dead letter at offset `at` of an output partition says it came from this raw record.

        A replayed dead letter has its second outcome on purpose, out of its raw partition's order.
        """
        if replayed:
            return
        if place not in self.windows:
            self.findings.append(
                Finding(Anomaly.ABORTED_READ, *place, offset, f"{_at(output, at)} names a raw partition that is none")
            )
            return
        pair = (output, place)
        before = self.latest.get(pair, -1)
        if offset < before:
            detail = f"{_at(output, at)} comes after the outcome of offset {before}"
            self.findings.append(Finding(Anomaly.NONMONOTONIC, *place, offset, detail))
        self.latest[pair] = max(before, offset)
        if offset < self.windows[place].start:
            detail = f"{_at(output, at)} repeats a record that an earlier audit saw"
            self.findings.append(Finding(Anomaly.DUPLICATE, *place, offset, detail))
        else:
            self._enter(place, offset)

    def close(self) -> list[Finding]:
        """Everything that is wrong, in the order of the raw offsets."""
        for place, window in self.windows.items():
            for index in _where((window.expected == 1) & (window.seen == 0)):
                offset = window.start + index
                detail = "has neither a row nor a dead letter"
                self.findings.append(Finding(Anomaly.LOST_WRITE, *place, offset, detail))
            for index in _where(window.seen > 1):
                count = int(window.seen[index])
                detail = f"came out {count} times"
                self.findings.append(Finding(Anomaly.DUPLICATE, *place, window.start + index, detail))
            for index in _where((window.expected == 0) & (window.seen > 0)):
                detail = "came out but is no committed record with a value"
                self.findings.append(Finding(Anomaly.ABORTED_READ, *place, window.start + index, detail))
        self.findings.sort(key=lambda each: (each.topic, each.partition, each.offset, each.anomaly))
        return self.findings

    def _enter(self, place: Partition, offset: int) -> None:
        window = self.windows[place]
        if offset >= window.end:
            ahead = self.early.setdefault(place, set())
            if offset in ahead:
                self.findings.append(Finding(Anomaly.DUPLICATE, *place, offset, "came out twice"))
            ahead.add(offset)
            return
        index = offset - window.start
        # Saturates: 255 outcomes of one record are as wrong as 256.
        window.seen[index] = min(255, int(window.seen[index]) + 1)


def _where(mask: np.ndarray) -> Iterator[int]:
    return (int(index) for index in np.nonzero(mask)[0])


def _at(output: Partition, at: int) -> str:
    return f"{output[0]}[{output[1]}]@{at}"
