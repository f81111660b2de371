"""Taking a source over from the union's workers, and giving it back: what the workers' own group says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dropless import names
from dropless.lag import Position
from dropless.plan import Resource
from dropless.union.turn import KSQLDB
from resources.ksqldb_offsets import Groups, Offsets

_REMEDY: Final = "stop the union's workers; two engines would write each row twice."


class Workers:
    """The group of a mapping's table, as far as the mapping's topic goes."""

    def __init__(self, groups: Groups, mapping: Resource) -> None:
        self._groups = groups
        self._group = names.union_group(mapping.hints["table"])
        self._places: list[Position] = places(mapping)

    def waiting(self) -> bool:
        """Whether they leave the topic to ksqlDB."""
        notes = self._groups.notes(self._group)
        return any(notes.get(place) == KSQLDB for place in self._places)

    def end(self) -> Mapping[Position, int]:
        """Where they ended, once nobody is in the group any more.

        Raises:
            NotReady: somebody still is.
        """
        self._groups.await_empty(self._group, _REMEDY)
        committed = self._groups.committed([self._group])[self._group]
        return {place: committed.get(place, 0) for place in self._places}

    def leave(self, offsets: Offsets) -> None:
        """From now on they wait; ksqlDB begins there."""
        self._groups.begin_at(self._group, offsets, KSQLDB)

    def go_on(self, offsets: Offsets) -> None:
        """They need not wait any more, and begin there."""
        self._groups.begin_at(self._group, offsets)


def places(mapping: Resource) -> list[Position]:
    """Every partition of a mapping's topic."""
    return [(mapping.hints["topic"], partition) for partition in range(mapping.hints["partitions"])]
