"""One writing of every value, the same in every system, and digests of rows that are written so.

A row has two texts. The coarse one holds everything but what is finer than a millisecond, which Pinot does not keep;
the fine one holds the rest. Each begins with the row's key, so that two rows that swapped their values differ. Texts of
a row's own are written with their length in bytes before them: no value can look like the end of another. Zero has no
sign.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any, Final, NamedTuple

from dropless.contract import Column, Contract
from dropless.contract.column_type import Kind

SEPARATOR: Final = "\x1f"
_HALVES: Final = struct.Struct(">QQ")
MODULUS: Final = 2**64
BUCKET_DIGITS: Final = 3
"""Hexadecimal digits of the key's MD5 that name its bucket: 4,096 of them."""
COARSE_US: Final = 1000
"""Microseconds in what Pinot keeps."""

Values = Mapping[str, Any]
"""A unified row's values by column as they travel: text, int, float, bool or None; a timestamp in microseconds."""


class Hashes(NamedTuple):
    """What rows add to a digest: their number, and sums of their hashes below 2^64."""

    rows: int
    high: int
    low: int
    fine: int


NOTHING: Final = Hashes(0, 0, 0, 0)


@dataclass(frozen=True)
class Split:
    """Which columns a source's database writes canonically by itself, and which are fetched and written by us.

    Both halves are hashed on their own, and the hashes added, so that it does not matter who wrote which. Where all
    that would be fetched is null, it adds nothing, and need not be fetched.
    """

    computed: tuple[Column, ...]
    fetched: tuple[Column, ...] = ()

    @classmethod
    def whole(cls, contract: Contract) -> Split:
        """Everything in one half."""
        return cls(contract.columns)

    @property
    def halves(self) -> Iterator[tuple[tuple[Column, ...], bool]]:
        """The columns of each half that there is, and whether nulls alone add nothing; keys alone make one."""
        yield self.computed, False
        if self.fetched:
            yield self.fetched, True


def coarse(kind: Kind, value: Any) -> str:
    """A value's canonical text without what is finer than a millisecond; empty for null."""
    return "" if value is None else _WRITERS.get(kind, str)(value)


def fine(value: int | None) -> str:
    """The microseconds that a timestamp has beyond its milliseconds; empty for null."""
    return "" if value is None else str(value - towards_zero(value) * COARSE_US)


def towards_zero(microseconds: int) -> int:
    """Milliseconds as Pinot cuts them."""
    whole = abs(microseconds) // COARSE_US
    return whole if microseconds >= 0 else -whole


def _measured(text: str) -> str:
    return f"{len(text) if text.isascii() else len(text.encode())}:{text}"


def _bits(number: float) -> str:
    return str(struct.unpack("<q", struct.pack("<d", number + 0.0))[0])


_WRITERS: Final[Mapping[Kind, Callable[[Any], str]]] = {
    Kind.STRING: _measured,
    Kind.JSON: _measured,
    Kind.TIMESTAMP: lambda value: str(towards_zero(value)),
    Kind.DOUBLE: _bits,
    Kind.BOOLEAN: lambda value: "true" if value else "false",
}


def bucket(key: str) -> int:
    """The bucket of a unified key."""
    return int(md5(key.encode(), usedforsecurity=False).hexdigest()[:BUCKET_DIGITS], 16)


class Hasher:
    """What rows add to the digests of their buckets: each column's writing is looked up once, not for every row."""

    def __init__(self, split: Split) -> None:
        """Of rows that are hashed in these halves."""
        self._halves = [
            (
                [(each.name, _WRITERS.get(each.type.kind, str)) for each in columns],
                [each.name for each in columns if each.type.kind is Kind.TIMESTAMP],
                optional,
            )
            for columns, optional in split.halves
        ]

    def hashes(self, key: str, values: Values) -> Hashes:
        """What a row adds."""
        start = _measured(key)
        high = low = finest = 0
        for columns, moments, optional in self._halves:
            found = [values[name] for name, _ in columns]
            if optional and all(each is None for each in found):
                continue
            written = ["" if value is None else write(value) for (_, write), value in zip(columns, found, strict=True)]
            more_high, more_low = _HALVES.unpack(_digest([start, *written]))
            high += more_high
            low += more_low
            if moments:
                finest += _HALVES.unpack(_digest([start, *(fine(values[name]) for name in moments)]))[0]
        return Hashes(1, high % MODULUS, low % MODULUS, finest % MODULUS)


def _digest(texts: Sequence[str]) -> bytes:
    return md5(SEPARATOR.join(texts).encode(), usedforsecurity=False).digest()


@dataclass
class Digest:
    """Count and sums of the hashes of the rows of each bucket. A sum sees a pair of equal rows, which XOR does not."""

    buckets: dict[int, Hashes] = field(default_factory=dict)

    def add(self, bucket_: int, more: Sequence[int]) -> None:
        """Add a part of a bucket: count and the three sums, which may be below zero or beyond 2^64."""
        count, high, low, finest = self.buckets.get(bucket_, NOTHING)
        self.buckets[bucket_] = Hashes(
            count + int(more[0]),
            (high + int(more[1])) % MODULUS,
            (low + int(more[2])) % MODULUS,
            (finest + int(more[3])) % MODULUS,
        )

    def extend(self, parts: Iterable[tuple[int, Sequence[int]]], sign: int = 1) -> None:
        """Add parts, or take them away."""
        for each, more in parts:
            self.add(each, [sign * int(number) for number in more])

    @property
    def rows(self) -> int:
        """How many rows it is of."""
        return sum(each.rows for each in self.buckets.values())

    def differing(self, other: Digest, *, exact: bool = True) -> set[int]:
        """The buckets that are not equal; without `exact` what is finer than a millisecond does not count."""
        compared = len(Hashes._fields) if exact else len(Hashes._fields) - 1
        return {
            each
            for each in self.buckets.keys() | other.buckets.keys()
            if self.buckets.get(each, NOTHING)[:compared] != other.buckets.get(each, NOTHING)[:compared]
        }


def differing_keys(
    ours: Mapping[str, Sequence[int]], theirs: Iterable[tuple[str, Sequence[int]]], *, exact: bool = True
) -> set[str]:
    """Keys whose hashes (high, low, fine) are not equal, or that are on one side only, or twice on theirs."""
    compared = 3 if exact else 2

    def hashes_of(sums: Sequence[int]) -> list[int]:
        return [each % MODULUS for each in sums[:compared]]

    left = {key: hashes_of(sums) for key, sums in ours.items()}
    seen: set[str] = set()
    found: set[str] = set()
    for key, sums in theirs:
        if key in seen or left.get(key) != hashes_of(sums):
            found.add(key)
        seen.add(key)
    return found | (left.keys() - seen)
