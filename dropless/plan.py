"""Desired against observed, property by property."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of them."""

HIDDEN = "(hidden)"
_SECRET = re.compile(r"(?i)(password|passwd|secret[._-]?key|jaas\.config|token|private[._-]?key)$")
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True)
class Resource:
    """One thing that must exist, or that was found: only the managed properties, normalised.

    A property's value is a JSON value with its type normalised (numbers as numbers, not as the
    strings some systems answer); a secret is a reference, never its value. Nested objects are
    compared path by path.
    """

    system: str
    kind: str
    name: str
    properties: Mapping[str, Json]
    # What creating or updating needs but what no system can be asked for, such as a referenced secret's file.
    hints: Mapping[str, Json] = field(default_factory=dict, compare=False)
    # Properties that are replaced as a whole, so that what is found in them beyond desired is a difference too.
    exact: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def id(self) -> str:
        """`kind:name`, unique within an installation."""
        return f"{self.kind}:{self.name}"


class Action(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"


@dataclass(frozen=True)
class PropertyChange:
    """One property's value before (None when absent) and after (None when it has to go)."""

    path: str
    before: Json
    after: Json


@dataclass(frozen=True)
class Change:
    """One resource that is not as desired."""

    action: Action
    desired: Resource
    properties: tuple[PropertyChange, ...]


@dataclass(frozen=True)
class Plan:
    """The changes that make the observed world the desired one."""

    changes: tuple[Change, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.changes

    def as_json(self) -> list[dict[str, Json]]:
        """The plan for machines: a list of changes with property-level before and after."""
        return [
            {
                "action": change.action.value,
                "system": change.desired.system,
                "kind": change.desired.kind,
                "name": change.desired.name,
                "properties": [
                    {"path": each.path, "before": each.before, "after": each.after} for each in change.properties
                ],
            }
            for change in self.changes
        ]


def plan(desired: Sequence[Resource], observed: Mapping[str, Resource]) -> Plan:
    """What has to change; `observed` maps `Resource.id` to what was found and lacks what is missing."""
    changes = []
    for resource in desired:
        found = observed.get(resource.id)
        before = _flat(found.properties) if found else {}
        after = _flat(resource.properties)
        properties = tuple(
            PropertyChange(path, shown(path, before.get(path)), value)
            for path, value in after.items()
            if path not in before or before[path] != value
        ) + tuple(
            PropertyChange(path, shown(path, value), None)
            for path, value in before.items()
            if path not in after and path.split("/")[0] in resource.exact
        )
        if found is None:
            changes.append(Change(Action.CREATE, resource, properties))
        elif properties:
            changes.append(Change(Action.UPDATE, resource, properties))
    return Plan(tuple(changes))


def shown(path: str, value: Json) -> Json:
    """A found value as it may be told: what somebody wrote as a plain secret instead of a reference is hidden."""
    if not isinstance(value, str) or _REFERENCE.fullmatch(value):
        return value
    return HIDDEN if _SECRET.search(path) else _CREDENTIALS.sub(f"{HIDDEN}@", value)


def digest(desired: Iterable[Resource]) -> str:
    """A short, stable hash of a desired state: the data version of what was provisioned."""
    state = {resource.id: resource.properties for resource in desired}
    text = json.dumps(state, sort_keys=True, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _flat(properties: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    # Only objects are opened; a list is one value, since its order is part of what is desired.
    flat: dict[str, Json] = {}
    for name, value in properties.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{path}/")
        else:
            flat[path] = value
    return flat
