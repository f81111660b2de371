"""Which rows are missing because compaction removed them: a newer version of their key took their place.

Pure. Memory is some 40 bytes for each record in question, whatever the size of the records.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from dropless.records import Partition

Offset = Callable[[], int]
"""Tells a row's raw offset; asked only when it matters, since reading it costs."""

BATCH_ROWS = 10_000


class Superseded:
    """Raw records without an outcome, each with its unified key, until rows with newer versions are seen."""

    def __init__(self) -> None:
        self._places: list[Partition] = []
        self._place = array("l")
        self._offset = array("q")
        self._key = array("q")

    def __len__(self) -> int:
        return len(self._offset)

    def question(self, place: Partition, offset: int, key: bytes) -> None:
        """A raw record of this unified key may have been compacted away."""
        if place not in self._places:
            self._places.append(place)
        self._place.append(self._places.index(place))
        self._offset.append(offset)
        # 64 bits tell a few million keys apart, and cost less than the keys.
        self._key.append(hash(key))

    def resolve(self, rows: Iterable[tuple[bytes, Offset]]) -> Iterator[tuple[Partition, int]]:
        """The raw records that a newer version of their key superseded, given every row that is left.

        All changes of a key go through one raw partition, so the greater raw offset is the newer version.
        """
        keys, which = np.unique(np.frombuffer(self._key, np.int64), return_inverse=True)
        newest = np.full(len(keys), -1, np.int64)
        left = iter(rows)
        while batch := list(islice(left, BATCH_ROWS)):
            hashes = np.fromiter((hash(key) for key, _ in batch), np.int64, len(batch))
            found = np.minimum(np.searchsorted(keys, hashes), len(keys) - 1)
            for row in np.nonzero(keys[found] == hashes)[0]:
                newest[found[row]] = max(newest[found[row]], batch[row][1]())
        for index in np.nonzero(newest[which] > np.frombuffer(self._offset, np.int64))[0]:
            yield self._places[self._place[index]], self._offset[index]
