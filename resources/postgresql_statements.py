"""The statements that make a PostgreSQL table ready for capture."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, LiteralString

from psycopg import sql

from dropless import names
from dropless.errors import DroplessError
from dropless.plan import Resource
from resources.postgresql_catalogue import Publication, Table

HEARTBEAT: Final = Table(names.SOURCE_SCHEMA, "heartbeat")
SETTLED: Final = Table(names.SOURCE_SCHEMA, "settled")
"""A function that answers true once the transactions that were under way have ended, or after a second; once each.

A commit is in the WAL, and can be captured, a moment before other sessions see it. A row that Debezium read in
that moment would be the old one, and come after the change: outside the window, in which it would be taken out.
"""
_SETTLED: Final[LiteralString] = """
create or replace function {} () returns boolean language plpgsql volatile set search_path = pg_catalog as $$
declare
    -- A snapshot does not name those that began after the newest one that has ended: our own id bounds them.
    own constant bigint := pg_current_xact_id()::text::bigint;
    seen constant pg_snapshot := pg_current_snapshot();
    begun constant bigint := pg_snapshot_xmax(seen)::text::bigint;
    under_way constant xid8[] := array(
        select pg_snapshot_xip(seen)
        union select id::text::xid8 from generate_series(begun, own - 1) as later (id));
    patience constant timestamptz := clock_timestamp() + interval '1 second';
begin
    if current_setting('dropless.settled', true) = 'yes' then
        return true;
    end if;
    while clock_timestamp() < patience
        and exists (select from unnest(under_way) as each (id) where pg_xact_status(each.id) = 'in progress')
    loop
        perform pg_sleep(0.002);
    end loop;
    -- For this transaction: in its next query it costs nothing.
    perform set_config('dropless.settled', 'yes', true);
    return true;
end $$"""


def statements(source: Resource, changed: Collection[str], publication: Publication | None) -> list[sql.Composed]:
    """What makes a table ready for capture; every name is an identifier, never text.

    `changed` are the properties that differ. The table itself is altered only for its own, since that
    takes a lock that no reader passes.

    Raises:
        DroplessError: the publication exists for all tables, which no statement can narrow.
    """
    wanted = publication_of(source)
    if publication and publication.all_tables:
        raise DroplessError(f"Publication {wanted['name']!r} is for all tables: drop it, and run this again.")
    table = _identifier(Table.parse(source.properties["table"]))
    name, options = sql.Identifier(wanted["name"]), sql.Literal(wanted["publish"])
    tables = sql.SQL(", ").join(_identifier(Table.parse(each)) for each in wanted["tables"])
    made = [_sql("alter table {} replica identity full", table)] if "replica_identity" in changed else []
    if source.properties.get("heartbeat"):
        made += [
            _sql("create schema if not exists {}", sql.Identifier(HEARTBEAT.schema)),
            _sql(
                "create table if not exists {} (id integer primary key, ts timestamptz not null)",
                _identifier(HEARTBEAT),
            ),
        ]
    if signals := source.properties.get("signals"):
        # Debezium takes the columns by their places; the first is the signal's id, whatever its type.
        made.append(
            _sql(
                "create table if not exists {} (id text primary key, type text not null, data text)",
                _identifier(Table.parse(signals)),
            )
        )
        made.append(_sql(_SETTLED, _identifier(SETTLED)))
    if publication is None:
        made.append(_sql("create publication {} for table {} with (publish = {})", name, tables, options))
    else:
        made.append(_sql("alter publication {} set table {}", name, tables))
        made.append(_sql("alter publication {} set (publish = {})", name, options))
    return made + _grants(source)


def _grants(source: Resource) -> list[sql.Composed]:
    if not source.properties.get("role"):
        return []
    table = Table.parse(source.properties["table"])
    role = sql.Identifier(source.properties["role"])
    made = [
        _sql("grant connect on database {} to {}", sql.Identifier(source.properties["database"]), role),
        _sql("grant usage on schema {} to {}", sql.Identifier(table.schema), role),
        _sql("grant select on {} to {}", _identifier(table), role),
    ]
    if source.properties.get("heartbeat"):
        made += [
            _sql("grant usage on schema {} to {}", sql.Identifier(HEARTBEAT.schema), role),
            _sql("grant select, insert, update on {} to {}", _identifier(HEARTBEAT), role),
        ]
    if signals := source.properties.get("signals"):
        made.append(_sql("grant select, insert, delete on {} to {}", _identifier(Table.parse(signals)), role))
    return made


def publication_of(source: Resource) -> dict[str, Any]:
    """The desired publication: its name, its tables as `schema.table`, its operations joined by commas."""
    return dict(source.properties["publication"])


def operations(publish: str) -> frozenset[str]:
    """What a publication publishes, such as insert and delete."""
    return frozenset(each.strip() for each in publish.split(","))


def _identifier(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)


def _sql(text: LiteralString, *parts: sql.Composable) -> sql.Composed:
    return sql.SQL(text).format(*parts)
