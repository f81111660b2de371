"""Pinot schemas and real-time tables, through the controller; seen consuming, and answering a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.pinot import select
from dropless.plan import Action, Change, Resource
from resources.managed import managed
from resources.rest import Rest
from resources.waiting import until

# A commit takes the build of a segment and its upload to the deep store.
COMMIT_SECONDS = 120


class PinotSchemas:
    """Schemas, posted as they are desired; Pinot refuses to drop or retype a column."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._controller = Rest("Pinot's controller", [endpoints.pinot_controller])

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """The schemas, reduced to the fields and properties that desired names."""
        found = {}
        for schema in desired:
            path = f"/schemas/{_quoted(schema.name)}"
            response = self._controller.call(f"show schema {schema.name!r}", "GET", path, accept=[404])
            if response.status_code != 404:
                properties = managed(schema.properties, response.json())
                found[schema.id] = Resource(schema.system, schema.kind, schema.name, properties)
        return found

    def apply(self, change: Change) -> None:
        """Add the schema, or change it and have the segments loaded again with it."""
        name, body = change.desired.name, dict(change.desired.properties)
        if change.action is Action.CREATE:
            self._controller.call(f"add schema {name!r}", "POST", "/schemas", json=body)
            return
        path = f"/schemas/{_quoted(name)}"
        self._controller.call(f"change schema {name!r}", "PUT", path, json=body, params={"reload": "true"})
        _begin_new_segments(self._controller, name)

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until the controller knows every schema."""

        def missing() -> str | None:
            names = [each.name for each in desired if each.id not in self.observe([each])]
            return f"there is no schema {names[0]!r}." if names else None

        until("Pinot", missing, timeout_seconds)


class PinotTables:
    """Real-time tables."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._controller = Rest("Pinot's controller", [endpoints.pinot_controller])
        self._endpoints = endpoints

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """The table configurations, reduced to the properties that desired names."""
        found = {}
        for table in desired:
            path = f"/tables/{_quoted(table.name)}"
            doing = f"show table {table.name!r}"
            config = self._controller.call(doing, "GET", path, params={"type": "realtime"}).json().get("REALTIME")
            if config:
                # Pinot answers the name that it gave to the table's real-time half.
                own = config | {"tableName": config["tableName"].removesuffix("_REALTIME")}
                properties = managed(table.properties, own)
                found[table.id] = Resource(table.system, table.kind, table.name, properties)
        return found

    def check(self, change: Change) -> None:
        """Have Pinot validate the table; what it does not know, it would drop without an error.

        Raises:
            DroplessError: a property is invalid or unknown.
        """
        name, body = change.desired.name, dict(change.desired.properties)
        response = self._controller.call(f"validate table {name!r}", "POST", "/tables/validate", json=body)
        if unknown := response.json().get("unrecognizedProperties"):
            raise DroplessError(f"Pinot does not know {', '.join(sorted(unknown))} in table {name!r}.")

    def apply(self, change: Change) -> None:
        """Add the table, or change its configuration."""
        self.check(change)
        name, body = change.desired.name, dict(change.desired.properties)
        if change.action is Action.CREATE:
            self._controller.call(f"add table {name!r}", "POST", "/tables", json=body)
        else:
            self._controller.call(f"change table {name!r}", "PUT", f"/tables/{_quoted(name)}", json=body)
            _begin_new_segments(self._controller, name)

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until every stream partition is being consumed and a query answers."""

        def missing() -> str | None:
            for table in desired:
                if reason := self._not_consuming(table.name) or self._not_answering(table.name):
                    return reason
            return None

        until("Pinot", missing, timeout_seconds)

    def _not_consuming(self, name: str) -> str | None:
        path = f"/tables/{_quoted(name)}"
        parameters = {"type": "realtime"}
        doing = f"show the segments of table {name!r}"
        ideal = self._controller.call(doing, "GET", f"{path}/idealstate", params=parameters).json()
        wanted = {partition(segment) for segment in (ideal.get("REALTIME") or {})}
        if not wanted:
            return f"table {name!r} has no segment yet."
        segments = self._controller.call(doing, "GET", f"{path}/consumingSegmentsInfo").json()
        behind = sorted(wanted - consuming(segments))
        return f"partition {behind[0]} of table {name!r} is not consumed yet." if behind else None

    def _not_answering(self, name: str) -> str | None:
        try:
            select(self._endpoints, f'select count(*) from "{name}"')  # noqa: S608 - a contract's name is an identifier
        except DroplessError as error:
            return str(error)
        return None


def _begin_new_segments(controller: Rest, table: str) -> None:
    """Commit the segments in which rows are being consumed.

    Only those begun afterwards have the table's new columns, transformations, indexes and stream settings;
    without this they would come when the present ones are full, hours later.
    """
    path = f"/tables/{_quoted(table)}"

    def ask() -> set[str]:
        doing = f"show what table {table!r} consumes"
        answer = controller.call(doing, "GET", f"{path}/consumingSegmentsInfo", accept=[404])
        return set() if answer.status_code == 404 else set(answer.json()["_segmentToConsumingInfoMap"])

    if old := ask():
        controller.call(f"commit what table {table!r} consumes", "POST", f"{path}/forceCommit")
        until(
            "Pinot",
            lambda: f"table {table!r} still consumes its old segments." if ask() & old else None,
            COMMIT_SECONDS,
        )


def consuming(segments: Mapping[str, Any]) -> set[int]:
    """The stream partitions that at least one server consumes now, from `consumingSegmentsInfo`."""
    return {
        partition(segment)
        for segment, servers in segments.get("_segmentToConsumingInfoMap", {}).items()
        if any(server["consumerState"] == "CONSUMING" for server in servers)
    }


def partition(segment: str) -> int:
    """The stream partition of a real-time segment, named `table__partition__sequence__time`."""
    return int(segment.rsplit("__", 3)[1])


def _quoted(name: str) -> str:
    return quote(name, safe="")
