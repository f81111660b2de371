"""Pinot schemas and real-time tables, through the controller; seen consuming, and answering a query."""

from __future__ import annotations

from collections.abc import Sequence

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unsafe
from dropless.pinot import select
from dropless.plan import Action, Change, Resource
from resources.adapter import Progress
from resources.managed import managed
from resources.pinot_changes import FIXED, incompatible, made_anew
from resources.pinot_segments import await_gone, begin_new_segments, consuming, drop_table, outdated, partition, quoted
from resources.rest import Rest
from resources.waiting import until


class PinotSchemas:
    """Schemas, posted as they are desired; Pinot refuses to drop or retype a column."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._controller = Rest("Pinot's controller", [endpoints.pinot_controller], login=endpoints.pinot_login)
        self._endpoints = endpoints

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """The schemas, reduced to the fields and properties that desired names."""
        found = {}
        for schema in desired:
            path = f"/schemas/{quoted(schema.name)}"
            response = self._controller.call(f"show schema {schema.name!r}", "GET", path, accept=[404])
            if response.status_code != 404:
                properties = managed(schema.properties, response.json())
                found[schema.id] = Resource(schema.system, schema.kind, schema.name, properties)
        return found

    def check(self, change: Change) -> None:
        """Refuse what Pinot cannot do to a schema with data.

        Raises:
            Unsafe: a column would go or change its type, or the key would change.
        """
        schema = change.desired
        if change.action is Action.CREATE:
            return
        path = f"/schemas/{quoted(schema.name)}"
        found = self._controller.call(f"show schema {schema.name!r}", "GET", path).json()
        if reasons := incompatible(schema.properties, found):
            raise Unsafe(made_anew(schema.name, reasons))

    def replace(self, change: Change, progress: Progress) -> None:
        """Drop the table and its schema, and add the schema; the table is made again after it."""
        name = change.desired.name
        progress(f"dropping table {name}")
        drop_table(self._endpoints, name)
        self._controller.call(f"drop schema {name!r}", "DELETE", f"/schemas/{quoted(name)}", accept=[404])
        self._controller.call(f"add schema {name!r}", "POST", "/schemas", json=dict(change.desired.properties))

    def apply(self, change: Change) -> None:
        """Add the schema, or change it and have the segments loaded again with it; see `PinotTables.wait_ready`."""
        self.check(change)
        name, body = change.desired.name, dict(change.desired.properties)
        if change.action is Action.CREATE:
            self._controller.call(f"add schema {name!r}", "POST", "/schemas", json=body)
            return
        path = f"/schemas/{quoted(name)}"
        self._controller.call(f"change schema {name!r}", "PUT", path, json=body, params={"reload": "true"})

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until the controller knows every schema."""

        def missing() -> str | None:
            names = [each.name for each in desired if each.id not in self.observe([each])]
            return f"there is no schema {names[0]!r}." if names else None

        until("Pinot", missing, timeout_seconds)


class PinotTables:
    """Real-time tables."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._controller = Rest("Pinot's controller", [endpoints.pinot_controller], login=endpoints.pinot_login)
        self._endpoints = endpoints

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """The table configurations, reduced to the properties that desired names."""
        found = {}
        for table in desired:
            path = f"/tables/{quoted(table.name)}"
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
            Unsafe: a property differs that holds for rows already there.
        """
        name, body = change.desired.name, dict(change.desired.properties)
        response = self._controller.call(f"validate table {name!r}", "POST", "/tables/validate", json=body)
        if unknown := response.json().get("unrecognizedProperties"):
            raise DroplessError(f"Pinot does not know {', '.join(sorted(unknown))} in table {name!r}.")
        fixed = [
            f"{each.path} is {each.before!r} and should be {each.after!r}"
            for each in change.properties
            if each.path.startswith(FIXED)
        ]
        if fixed and change.action is Action.UPDATE:
            raise Unsafe(made_anew(name, fixed))

    def replace(self, change: Change, progress: Progress) -> None:
        """Drop the table, and have it read the whole unified topic again."""
        name = change.desired.name
        progress(f"dropping table {name}")
        drop_table(self._endpoints, name)
        self._controller.call(f"add table {name!r}", "POST", "/tables", json=dict(change.desired.properties))

    def apply(self, change: Change) -> None:
        """Add the table, or change its configuration."""
        self.check(change)
        name, body = change.desired.name, dict(change.desired.properties)
        if change.action is Action.CREATE:
            # Whoever dropped it may have done so a moment ago.
            await_gone(self._controller, name)
            self._controller.call(f"add table {name!r}", "POST", "/tables", json=body)
        else:
            self._controller.call(f"change table {name!r}", "PUT", f"/tables/{quoted(name)}", json=body)

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until every stream partition is being consumed, as schema and table now say, and a query answers.

        Once for both of them: also if an earlier attempt was interrupted before it came to this.
        """
        for table in desired:
            if outdated(self._controller, table.name):
                begin_new_segments(self._controller, table.name)

        def missing() -> str | None:
            for table in desired:
                if reason := self._not_consuming(table.name) or self._not_answering(table.name):
                    return reason
            return None

        until("Pinot", missing, timeout_seconds)

    def _not_consuming(self, name: str) -> str | None:
        path = f"/tables/{quoted(name)}"
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
