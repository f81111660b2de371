"""Changes after which a table's records are numbered or captured anew, and who must not work meanwhile."""

from __future__ import annotations

from collections.abc import Collection

from dropless.plan import Action, Change, Plan


def restarted(todo: Plan, unsafe: Collection[str]) -> set[str]:
    """The tables of which a topic or a capture starts over.

    Their processes must not work meanwhile: they would number new records like the old ones.
    """
    return {
        change.desired.hints["table"]
        for change in todo.changes
        if "table" in change.desired.hints
        and (
            (change.desired.kind == "topic" and (change.desired.id in unsafe or starts_over(change)))
            or (change.desired.kind == "connector" and starts_over(change))
        )
    }


def starts_over(change: Change) -> bool:
    """Whether a raw topic is made in a new epoch, or a connector captures everything anew for one."""
    if not change.desired.hints.get("epoch"):
        return False
    if change.desired.kind == "topic":
        return change.action is Action.CREATE
    return any(each.path == "config/topic.prefix" for each in change.properties)


def restarts(change: Change) -> bool:
    """Whether a process that works is stopped and started anew."""
    if change.desired.kind != "process" or change.action is Action.CREATE:
        return False
    return all(each.path != "running" for each in change.properties)
