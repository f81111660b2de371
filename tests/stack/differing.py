"""What differs between the running stack and what is declared, as tests ask for it."""

from __future__ import annotations

from dropless.plan import Resource
from resources.adapter import Adapter
from resources.provisioning import preview
from resources.waiting import until

Known = dict[str, Adapter]


def differences(known: Known, *resources: Resource) -> list[tuple[str, object, object]]:
    return [
        (each.path, each.before, each.after)
        for change in preview(resources, known).changes
        for each in change.properties
    ]


def drift(known: Known, resource: Resource) -> list[tuple[str, object, object]]:
    """The differences, once there are some: a change by hand reaches the last node a moment after the first."""
    until("the drift", lambda: None if differences(known, resource) else "nothing differs yet", 10)
    return differences(known, resource)
