"""Where ksqlDB's queries begin: the offsets of their consumer groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.group_admin import GroupAdmin
from dropless.lag import Position
from resources.topic_admin import TopicAdmin

Offsets = Mapping[Position, int]
"""The next offset by topic and partition."""


def furthest(committed: Mapping[str, Offsets], groups: Sequence[str], topic: str) -> dict[Position, int]:
    """How far the furthest of these groups came in each partition of a topic."""
    far: dict[Position, int] = {}
    for place, offset in (pair for group in groups for pair in committed.get(group, {}).items()):
        if place[0] == topic:
            far[place] = max(offset, far.get(place, 0))
    return far


class Groups(Protocol):
    """Consumer groups, as far as a mapping is handed from one query to another."""

    def committed(self, groups: Sequence[str]) -> dict[str, dict[Position, int]]:
        """Each group's offsets.

        Raises:
            Unreachable: Kafka does not answer.
        """

    def notes(self, group: str) -> dict[Position, str]:
        """What was noted with a group's offsets, where something was.

        Raises:
            Unreachable: Kafka does not answer.
        """

    def begin_at(self, group: str, offsets: Offsets, note: str = "") -> None:
        """Have a group without members begin there, with a note that the next who commits takes away.

        Raises:
            DroplessError: Kafka refuses, for instance because the group has members.
        """

    def await_empty(self, group: str, remedy: str) -> None:
        """Wait until a group has no members.

        Raises:
            NotReady: it still has; the sentence ends with the remedy.
        """


class KafkaGroups:
    """The groups in Kafka; constructing it connects nothing."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._offsets = GroupAdmin(endpoints)
        self._admin = TopicAdmin(endpoints)

    def committed(self, groups: Sequence[str]) -> dict[str, dict[Position, int]]:
        """Each group's offsets."""
        return self._offsets.committed(groups)

    def notes(self, group: str) -> dict[Position, str]:
        """What was noted with a group's offsets, where something was."""
        return self._offsets.notes(group)

    def begin_at(self, group: str, offsets: Offsets, note: str = "") -> None:
        """Have a group without members begin there, with a note that the next who commits takes away."""
        if refused := self._offsets.commit(group, offsets, note):
            raise DroplessError(
                f"Kafka refused to have group {group!r} begin elsewhere: {next(iter(refused.values()))}."
            )

    def await_empty(self, group: str, remedy: str) -> None:
        """Wait until a group has no members."""
        self._admin.await_empty(group, remedy)
