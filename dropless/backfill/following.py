"""Whether a slice has been read to its end, told by the signal table and the stream of its rows.

A connector has one thread for its changes. Dealing with a row of the signal table, it inserts the rows that come next
before it hands that row on: the slice's signal, or the end of a window, is followed by the next window's two rows, or
by nothing when the slice is done. So once the slice's signal has come out of the connector and every row that is in
the table has, too, nothing more will come. A worker that was killed in between goes on with a new window before it
hands anything on, and shows by another run id that it is another.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, auto

from dropless.backfill.signals import CLOSED, Seen


class Verdict(Enum):
    """What is known of a slice."""

    WAITING = auto()
    DONE = auto()
    AGAIN = auto()
    """The worker was restarted: the slice must be asked for again."""
    NOTHING = auto()
    """There were no such rows, or Debezium could not read them, which only its log tells."""
    REFUSED = auto()
    """Debezium did not act on the signal."""


# Two windows: that of the rows, and an empty one that ends the slice.
WINDOWS = 2


class Following:
    """One slice, from its signal on."""

    def __init__(self, signal: str, known: Collection[str]) -> None:
        """`known` are the rows that had come out before."""
        self._signal = signal
        self._seen = set(known)
        self._run: str | None = None
        self._restarted = False
        self._closed = 0

    def see(self, record: Seen) -> None:
        """A row of the signal table came out of the connector."""
        self._seen.add(record.signal.id)
        if record.signal.id == self._signal and self._run is None:
            self._run = record.run
        if self._run is None:
            return
        self._restarted |= record.run != self._run
        self._closed += record.signal.type == CLOSED

    def verdict(self, written: Collection[str]) -> Verdict:
        """Judge by the rows of the table, which must have been asked for after the newest record was seen."""
        if self._run is None or not self._seen.issuperset(written):
            return Verdict.WAITING
        if self._restarted:
            return Verdict.AGAIN
        if self._closed >= WINDOWS:
            return Verdict.DONE
        return Verdict.NOTHING if self._closed else Verdict.REFUSED

    @property
    def begun(self) -> bool:
        """Whether the slice's signal has come out."""
        return self._run is not None

    @property
    def out(self) -> frozenset[str]:
        """All rows that have come out."""
        return frozenset(self._seen)
