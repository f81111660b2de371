"""Asset keys. The UI's graph shows their last part alone, so that part must tell what the asset is.

`platform/<system>`; `<kind>/<name>` for what is provisioned, or `<table>/<kind>` where the name is only the table's;
`<system>/<name>` for data that flows.
"""

from __future__ import annotations

import dagster as dg

from dropless import names
from dropless.plan import Resource

PLATFORM_GROUP = "platform"


def system(name: str) -> dg.AssetKey:
    """A system of the platform, such as Kafka."""
    return dg.AssetKey(["platform", name])


def provisioned(kind: str, name: str) -> dg.AssetKey:
    """A thing that is made to exist and has a name of its own."""
    return dg.AssetKey([kind, name])


def of_table(table: str, what: str) -> dg.AssetKey:
    """A thing that is made to exist once per unified table: its Pinot schema, its union worker."""
    return dg.AssetKey([table, what])


def of(resource: Resource) -> dg.AssetKey:
    """The asset of one provisioned thing."""
    if resource.kind in ("pinot_schema", "pinot_table"):
        return of_table(resource.name, resource.kind)
    return provisioned(resource.kind, resource.name)


def union_worker(table: str) -> dg.AssetKey:
    """The processes that unite a table's sources."""
    return of_table(table, "union_worker")


def union_queries(table: str) -> dg.AssetKey:
    """The queries that unite a table's sources, where ksqlDB does."""
    return of_table(table, "union_queries")


def lake_writer(table: str) -> dg.AssetKey:
    """The process that writes a table's changes to the lake."""
    return of_table(table, "lake_writer")


def source(table: str, source_name: str) -> dg.AssetKey:
    """The rows of one source table or collection."""
    return dg.AssetKey(["source", table, source_name])


def topic(name: str) -> dg.AssetKey:
    """The records of a topic."""
    return dg.AssetKey(["kafka", name])


def pinot_table(table: str) -> dg.AssetKey:
    """The rows that analysts query."""
    return dg.AssetKey(["pinot", table])


def lake_changes(table: str) -> dg.AssetKey:
    """The lake table of every change."""
    return dg.AssetKey(["lake", names.changes_table(table)])


def lake_table(table: str) -> dg.AssetKey:
    """The lake table of the current rows."""
    return dg.AssetKey(["lake", table])


def provisioning_group(table: str) -> str:
    """The group of everything that is made for a unified table; its data has the table's own name."""
    return f"{table}_provisioning"
