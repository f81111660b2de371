"""Which dead letters come alive once the mapping was mended, and which rows to write for them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dropless.union.batch import Route
from dropless.union.outcome import Dead, Row

Origin = tuple[str, int, int]
"""Topic, partition and offset of a raw record."""


@dataclass(frozen=True)
class DeadLetter:
    """A raw record that could not be mapped; key and value are its original bytes."""

    partition: int
    offset: int
    origin: Origin
    reason: str
    column: str | None
    source: str
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Version:
    """A unified row and the position that orders it among its key's versions."""

    origin: Origin
    position: int
    row: Row


@dataclass
class Replay:
    """Dead letters that are to be replayed, against what the unified topic holds of their keys.

    `known` tells, for each of their keys, the newest version that was read and every origin; it is
    filled by `seen`, row by row, in the order of the unified topic.
    """

    alive: list[Version] = field(default_factory=list)
    still_dead: list[tuple[DeadLetter, Dead]] = field(default_factory=list)
    newest: dict[bytes, Version] = field(default_factory=dict)
    last: dict[bytes, int] = field(default_factory=dict)
    done: set[Origin] = field(default_factory=set)

    def take(self, letters: Iterable[DeadLetter], routes: Mapping[str, Route], epochs: Mapping[str, int]) -> None:
        """Map dead letters again; a truncation and a tombstone never become rows."""
        for letter in letters:
            topic, partition, offset = letter.origin
            mapped = routes[topic].mapper(letter.key, letter.value, partition, offset)
            if isinstance(mapped, Row):
                self.alive.append(Version(letter.origin, (epochs[topic] << 48) + offset, mapped))
            else:
                self.still_dead.append((letter, mapped or Dead(letter.reason, letter.column)))

    @property
    def keys(self) -> set[bytes]:
        """The unified keys of what is alive."""
        return {version.row.key for version in self.alive}

    def seen(self, version: Version) -> None:
        """A row of one of these keys, in the unified topic's order."""
        key = version.row.key
        self.done.add(version.origin)
        self.last[key] = version.position
        if key not in self.newest or version.position > self.newest[key].position:
            self.newest[key] = version

    def due(self) -> list[Version]:
        """What to write now, in the order of the versions.

        A dead letter whose key has a newer version is superseded. Where the newest version is not the
        last one of its key, it is written again: compaction keeps a key's last record, and that must
        be its newest.
        """
        waiting = [
            version for version in self.alive if version.origin not in self.done and not self._superseded(version)
        ]
        keys = {version.row.key for version in waiting}
        again = [
            version for key, version in self.newest.items() if key not in keys and self.last[key] != version.position
        ]
        return sorted([*waiting, *again], key=lambda version: version.position)

    @property
    def superseded(self) -> int:
        """How many dead letters have a newer version of their key in the unified topic."""
        return sum(1 for each in self.alive if each.origin not in self.done and self._superseded(each))

    def _superseded(self, version: Version) -> bool:
        newest = self.newest.get(version.row.key)
        return newest is not None and newest.position > version.position
