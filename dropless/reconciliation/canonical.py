"""One writing of every value, the same in every system, and digests of rows that are written so.

A row has two texts. The coarse one holds everything but what is finer than a millisecond, which Pinot does not keep;
the fine one holds the rest. Each begins with the row's key, so that two rows that swapped their values differ. Texts of
a row's own are written with their length in bytes before them: no value can look like the end of another. Zero has no
sign.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any, Final, NamedTuple

from dropless.contract import Column, Contract
from dropless.contract.column_type import Kind

SEPARATOR: Final = "\x1f"
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
    if value is None:
        return ""
    match kind:
        case Kind.STRING | Kind.JSON:
            return f"{len(value.encode())}:{value}"
        case Kind.TIMESTAMP:
            return str(towards_zero(value))
        case Kind.DOUBLE:
            return str(struct.unpack("<q", struct.pack("<d", value + 0.0))[0])
        case Kind.BOOLEAN:
            return "true" if value else "false"
        case _:
            return str(value)


def fine(value: int | None) -> str:
    """The microseconds that a timestamp has beyond its milliseconds; empty for null."""
    return "" if value is None else str(value - towards_zero(value) * COARSE_US)


def towards_zero(microseconds: int) -> int:
    """Milliseconds as Pinot cuts them."""
    whole = abs(microseconds) // COARSE_US
    return whole if microseconds >= 0 else -whole


def bucket(key: str) -> int:
    """The bucket of a unified key."""
    return int(md5(key.encode(), usedforsecurity=False).hexdigest()[:BUCKET_DIGITS], 16)


def hashes(key: str, values: Values, split: Split) -> Hashes:
    """What a row adds to the digest of its bucket."""
    start = f"{len(key.encode())}:{key}"
    high = low = finest = 0
    for columns, optional in split.halves:
        if optional and all(values[each.name] is None for each in columns):
            continue
        text = SEPARATOR.join([start, *(coarse(each.type.kind, values[each.name]) for each in columns)])
        digest = md5(text.encode(), usedforsecurity=False).digest()
        high += int.from_bytes(digest[:8], "big")
        low += int.from_bytes(digest[8:], "big")
        if moments := [each.name for each in columns if each.type.kind is Kind.TIMESTAMP]:
            text = SEPARATOR.join([start, *(fine(values[name]) for name in moments)])
            finest += int.from_bytes(md5(text.encode(), usedforsecurity=False).digest()[:8], "big")
    return Hashes(1, high % MODULUS, low % MODULUS, finest % MODULUS)


@dataclass
class Digest:
    """Count and sums of the hashes of the rows of each bucket. A sum sees a pair of equal rows, which XOR does not."""

    buckets: dict[int, Hashes] = field(default_factory=dict)

    def add(self, bucket_: int, more: Sequence[int]) -> None:
        """Add a part of a bucket: count and the three sums, which may be below zero or beyond 2^64."""
        count, *sums = self.buckets.get(bucket_, NOTHING)
        added = [(one + int(other)) % MODULUS for one, other in zip(sums, more[1:], strict=True)]
        self.buckets[bucket_] = Hashes(count + int(more[0]), *added)

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
