"""Subjects of the schema registry, through its Confluent-compatible interface."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from dropless.desired.schema_registry import broken
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.plan import Action, Change, Resource
from resources.rest import Rest, message
from resources.waiting import until


class Subjects:
    """Subjects with their compatibility rule and newest schema."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._rest = Rest("The schema registry", [endpoints.schema_registry])

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """The newest schema of each subject, parsed, and the subject's own compatibility."""
        found = {}
        for resource in desired:
            if latest := self._latest(resource.name):
                properties = {
                    "compatibility": self._compatibility(resource.name),
                    "schema_type": latest.get("schemaType", "AVRO"),
                    "schema": json.loads(latest["schema"]),
                }
                managed = {name: value for name, value in properties.items() if name in resource.properties}
                found[resource.id] = Resource(resource.system, resource.kind, resource.name, managed)
        return found

    def check(self, change: Change) -> None:
        """Refuse a schema that breaks with the newest one: by its columns' types, or by the registry's own rules."""
        if change.action is Action.CREATE or not _schema_changes(change):
            return
        subject = change.desired.name
        latest = self._latest(subject)
        if latest and (reasons := broken(json.loads(latest["schema"]), change.desired.properties["schema"])):
            remedy = "; declare a column with a new name beside it, or a new table"
            raise DroplessError(incompatible(change.desired, "; ".join(reasons) + remedy))
        answer = self._rest.call(
            f"compare a schema with subject {subject!r}",
            "POST",
            f"/compatibility/subjects/{_quoted(subject)}/versions/latest",
            params={"verbose": "true"},
            json=_body(change.desired),
        ).json()
        if not answer.get("is_compatible", False):
            # Apicurio gives no reason before it is asked to register.
            raise DroplessError(incompatible(change.desired, "; ".join(answer.get("messages") or told(change))))

    def apply(self, change: Change) -> None:
        """Set the compatibility, then register the schema; a registered schema is found again, not doubled."""
        if change.action is Action.CREATE:
            # A subject has no rule of its own before it exists.
            self._register(change.desired)
            self._set_compatibility(change.desired)
            return
        self._set_compatibility(change.desired)
        if _schema_changes(change):
            self.check(change)
            self._register(change.desired)

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until the registry answers with every subject (it replays its journal after a start)."""

        def missing() -> str | None:
            names = [resource.name for resource in desired if self._latest(resource.name) is None]
            return f"there is no subject {names[0]!r}." if names else None

        until("The schema registry", missing, timeout_seconds)

    def _latest(self, subject: str) -> dict[str, Any] | None:
        path = f"/subjects/{_quoted(subject)}/versions/latest"
        response = self._rest.call(f"show subject {subject!r}", "GET", path, accept=[404])
        return None if response.status_code == 404 else response.json()

    def _compatibility(self, subject: str) -> str | None:
        path = f"/config/{_quoted(subject)}"
        response = self._rest.call(f"show the rule of subject {subject!r}", "GET", path, accept=[404])
        if response.status_code == 404:
            return None
        answer = response.json()
        level: str | None = answer.get("compatibilityLevel") or answer.get("compatibility")
        return level

    def _set_compatibility(self, subject: Resource) -> None:
        level = subject.properties["compatibility"]
        path = f"/config/{_quoted(subject.name)}"
        self._rest.call(f"set subject {subject.name!r} to {level}", "PUT", path, json={"compatibility": level})

    def _register(self, subject: Resource) -> None:
        path = f"/subjects/{_quoted(subject.name)}/versions"
        doing = f"register the schema of subject {subject.name!r}"
        response = self._rest.call(doing, "POST", path, json=_body(subject), accept=[409])
        if response.status_code == 409:
            raise DroplessError(incompatible(subject, message(response)))


def incompatible(subject: Resource, reason: str) -> str:
    """The sentence for a schema that readers of the old one, or the old data, could not stand."""
    return (
        f"The new schema of subject {subject.name!r} is not {subject.properties['compatibility']} compatible: {reason}."
    )


def told(change: Change) -> list[str]:
    """What a change does to a schema, column by column."""
    return [
        f"{each.path.removeprefix('schema/').removeprefix('properties/')} would change "
        f"from {json.dumps(each.before)} to {json.dumps(each.after)}"
        for each in change.properties
        if each.path.startswith("schema/")
    ]


def _schema_changes(change: Change) -> bool:
    return any(each.path.split("/")[0] in ("schema", "schema_type") for each in change.properties)


def _body(subject: Resource) -> dict[str, str]:
    text = json.dumps(subject.properties["schema"], separators=(",", ":"))
    return {"schema": text, "schemaType": subject.properties["schema_type"]}


def _quoted(subject: str) -> str:
    return quote(subject, safe="")
