"""Which changes of a topic would lose records or their order, and what has to be done instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dropless import names
from dropless.desired.kafka import GROWING
from dropless.errors import DroplessError, Unsafe
from dropless.plan import Action, Change, PropertyChange, Resource
from dropless.union.mapping import EPOCH_BITS

REMADE: Final = ("unified", "dead")
"""The roles of topics that the union can write again from the raw ones."""


def positions(epoch: int, ends: Mapping[int, int], newest: Mapping[int, int]) -> str:
    """Whether a raw topic's next records come after those of which rows were made.

    Args:
        epoch: of the source.
        ends: the next offset of each partition.
        newest: the greatest `_position` of any row from each partition.
    """
    for number, end in sorted(ends.items()):
        position = newest.get(number, -1)
        if (epoch << EPOCH_BITS) + end <= position:
            reached, offset = divmod(position, 1 << EPOCH_BITS)
            return (
                f"partition {number} goes on at offset {end} of epoch {epoch}, "
                f"but a row was made of offset {offset} of epoch {reached}"
            )
    return GROWING


def asks_history(change: Change) -> bool:
    """Whether a refusal depends on what the topic was before."""
    makes = change.action is Action.CREATE or any(each.path == "partitions" for each in change.properties)
    return makes and change.desired.hints.get("role") in ("raw", *REMADE)


def refusal(change: Change, made_in: int | None) -> DroplessError | None:
    """Why a topic must not be changed so, or None.

    Args:
        change: what is to be done.
        made_in: the epoch in which a topic that needs it was made before; None if never.
    """
    if change.action is Action.CREATE:
        return None if made_in is None else _made_again(change.desired, made_in)
    for each in change.properties:
        if each.path == "partitions" and (error := _repartitioned(change.desired, each, made_in)):
            return error
        if each.path == "positions":
            return _numbered_again(change.desired, each)
    return None


def _made_again(topic: Resource, made_in: int) -> DroplessError | None:
    was_there = f"Topic {topic.name!r} was made before and is gone"
    if topic.hints["role"] in REMADE:
        return _start_over(topic, was_there)
    if made_in < topic.hints["epoch"]:
        return None
    return DroplessError(
        f"{was_there}: what the union had not read of it is lost, and a new one would number its records from 0 "
        f"again, below the positions of the rows there are. {_raise_epoch(topic, made_in + 1)}"
    )


def _numbered_again(topic: Resource, change: PropertyChange) -> DroplessError:
    reached = int(str(change.before).rsplit(" ", 1)[-1])
    return DroplessError(
        f"Topic {topic.name!r} was made anew or lost its end: {change.before}, so newer versions of its rows look "
        f"older than they are. {_raise_epoch(topic, max(reached, topic.hints['epoch']) + 1)}"
    )


def _raise_epoch(topic: Resource, epoch: int) -> str:
    hints = topic.hints
    return (
        f"Write `epoch: {epoch}` into source {hints['source']!r} of the contract of {hints['table']!r} and apply "
        "everything: the source is read anew, and then reconcile, for rows that were deleted there meanwhile."
    )


def _repartitioned(topic: Resource, change: PropertyChange, made_in: int | None) -> DroplessError | None:
    differ = f"Topic {topic.name!r} has {change.before} partitions and should have {change.after}"
    role = topic.hints.get("role")
    if role in REMADE:
        return _start_over(topic, differ)
    if role == "raw" and made_in is not None and made_in < topic.hints["epoch"]:
        return Unsafe(f"{differ}: it is deleted and made anew, and all its records are lost; the source is read anew.")
    kind = DroplessError if role == "raw" else Unsafe
    how = ", or raise the source's `epoch` as well to have it made anew" if role == "raw" else ""
    if change.before > change.after:
        return kind(f"{differ}: removing partitions would lose their records; declare the number that exists{how}.")
    if topic.hints.get("keyed", True):
        return kind(
            f"{differ}: another number would put a key's later records into another partition, out of order; "
            f"declare the number that exists{how}."
        )
    return None


def _start_over(topic: Resource, reason: str) -> Unsafe:
    table = topic.hints["table"]
    return Unsafe(
        f"{reason}. Its records can be made again from the raw topics: if that is allowed, the union of {table!r} "
        f"starts over with empty {names.unified_topic(table)} and {names.dead_topic(table)}, and Pinot's table "
        f"{table!r} and the lake tables {names.changes_table(table)!r} and {table!r} are dropped and written anew; "
        "the lake's time travel is lost."
    )
