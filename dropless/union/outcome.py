"""What becomes of one raw record."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """A unified row: the record for the unified topic."""

    key: bytes
    value: bytes


class Dead(NamedTuple):
    """A record that cannot be mapped: one sentence why, and the column it is about, if it is about one."""

    reason: str
    column: str | None = None


Mapper = Callable[[bytes | None, bytes | None, int, int], Row | Dead | None]
"""`(key, value, partition, offset)` of a raw record to a row, a dead letter, or None for a tombstone. Never raises."""


class Unmappable(Exception):
    """Something that cannot be converted; `why` goes on after "it" and never holds the value itself."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
