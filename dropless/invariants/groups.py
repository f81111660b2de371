"""What must hold for consumer groups on our topics: they are ours, and stand where there are records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dropless.invariants.model import Finding, Invariant
from dropless.lag import Position


@dataclass(frozen=True)
class Group:
    """A consumer group: the client ids of its members, and what it committed."""

    name: str
    members: tuple[str, ...]
    offsets: Mapping[Position, int]


@dataclass(frozen=True)
class Groups:
    """The groups seen, beside what they should be.

    `ours` maps our groups to the client ids that may be members; `bounds` holds each partition of our
    topics with its first and its next offset.
    """

    seen: tuple[Group, ...]
    ours: Mapping[str, frozenset[str]]
    bounds: Mapping[Position, tuple[int, int]]


def _strangers(groups: Groups) -> Iterator[Finding]:
    for group in groups.seen:
        strange = sorted(set(group.members) - groups.ours.get(group.name, frozenset(group.members)))
        for client in strange:
            yield Finding(
                f"group {group.name}, client {client}",
                "only our own processes",
                "a stranger is a member",
                "it gets partitions, commits their offsets, and their records never reach the table",
            )


def _positions(groups: Groups) -> Iterator[Finding]:
    for group in groups.seen:
        if group.name not in groups.ours:
            continue
        for (topic, number), offset in sorted(group.offsets.items()):
            if (topic, number) not in groups.bounds:
                continue
            first, following = groups.bounds[topic, number]
            if offset < first:
                yield Finding(
                    f"group {group.name}, {topic}[{number}]",
                    f"an offset from {first} on",
                    str(offset),
                    f"{first - offset} records were removed before they were read",
                )
            elif offset > following:
                yield Finding(
                    f"group {group.name}, {topic}[{number}]",
                    f"an offset up to {following}",
                    str(offset),
                    "the topic is not the one that was read: records up to that offset would be skipped",
                )


def _others(groups: Groups) -> Iterator[Finding]:
    topics = {topic for topic, _ in groups.bounds}
    for group in groups.seen:
        committed = sorted({topic for topic, _ in group.offsets} & topics)
        if committed and group.name not in groups.ours:
            clients = f", clients {', '.join(sorted(set(group.members)))}" if group.members else ""
            yield Finding(
                f"group {group.name}{clients}",
                "no offsets committed on our topics",
                f"offsets on {', '.join(committed)}",
                "whoever commits by a timer loses what it had not processed; read with a position of your own",
            )


GROUPS: Final[tuple[Invariant[Groups], ...]] = (
    Invariant("groups_are_ours", "Only our own processes are members of our consumer groups.", True, _strangers),
    Invariant(
        "offsets_are_in_range",
        "Every committed offset lies within its topic, so nothing was skipped.",
        True,
        _positions,
    ),
    Invariant("no_strange_readers", "Nobody else commits offsets on our topics.", False, _others),
)
