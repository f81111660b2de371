"""What is read again, slice by slice, and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SLICE_ROWS: Final = 2000
"""The most rows that one signal asks for; also Debezium's chunk, so that a slice is one window."""
SLICE_SECONDS: Final = 2.0
"""With a rate, a slice holds what may be read in so long: the load is even, and a pause begins soon."""

Key = tuple[str, ...]
"""A primary key as its database writes it: each part as PostgreSQL's text, or MongoDB's `_id` as extended JSON."""


@dataclass(frozen=True)
class Selection:
    """Which rows: those of a condition (SQL, or a MongoDB query as JSON), those of some keys, or all."""

    where: str | None = None
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Range:
    """The keys after one and up to another, which is one of them; without an end, to the last."""

    after: Key | None = None
    last: Key | None = None


class Pace:
    """When the next slice may begin.

    A slice that came late, after a pause or behind a slow source, is not made up for: there is no burst.
    """

    def __init__(self, rate: float | None) -> None:
        """`rate` in rows a second; None for as fast as it goes."""
        self._rate = rate
        self._next = -math.inf

    @property
    def slice_rows(self) -> int:
        """How many rows one slice holds."""
        if self._rate is None:
            return SLICE_ROWS
        return max(1, min(SLICE_ROWS, int(self._rate * SLICE_SECONDS)))

    def wait(self, now: float) -> float:
        """Seconds until the next slice may begin."""
        return max(0.0, self._next - now)

    def begun(self, rows: int, now: float) -> None:
        """A slice of so many rows begins."""
        if self._rate is not None:
            self._next = max(self._next, now) + rows / self._rate
