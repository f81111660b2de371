"""What a PostgreSQL server's catalogue tells about a captured table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from dropless.contract.identifiers import join, split

_REPLICA_IDENTITIES = {"d": "default", "n": "nothing", "f": "full", "i": "index"}


@dataclass(frozen=True)
class Table:
    """A table's name, unquoted."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Table:
        """The table of a contract's `schema.table`, in which a part with a dot is in double quotes."""
        schema, name = split(text)
        return cls(schema, name)

    def __str__(self) -> str:
        return join((self.schema, self.name))


@dataclass(frozen=True)
class Publication:
    """A publication: its tables, those of which rows or columns are left out, and its operations."""

    tables: frozenset[Table]
    partial: frozenset[Table]
    publish: frozenset[str]
    all_tables: bool


def setting(connection: psycopg.Connection[Any], name: str) -> str:
    """A server setting's value."""
    return str(_one(connection, "select current_setting(%s)", name))


def table_exists(connection: psycopg.Connection[Any], table: Table) -> bool:
    """Whether there is such an ordinary table."""
    query = """
        select exists (
            select from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = %s and c.relname = %s and c.relkind = 'r')"""
    return bool(_one(connection, query, table.schema, table.name))


def function_exists(connection: psycopg.Connection[Any], function: Table) -> bool:
    """Whether there is a function of that name without arguments."""
    query = """
        select exists (
            select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where n.nspname = %s and p.proname = %s and p.pronargs = 0)"""
    return bool(_one(connection, query, function.schema, function.name))


def primary_key(connection: psycopg.Connection[Any], table: Table) -> list[str]:
    """The primary key's columns in their order; none without a primary key."""
    query = """
        select a.attname
        from pg_index i
        join pg_class c on c.oid = i.indrelid
        join pg_namespace n on n.oid = c.relnamespace
        cross join unnest(i.indkey::int2[]) with ordinality as k(number, position)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number
        where i.indisprimary and n.nspname = %s and c.relname = %s
        order by k.position"""
    return [row[0] for row in connection.execute(query, [table.schema, table.name])]


def columns(connection: psycopg.Connection[Any], table: Table) -> dict[str, str]:
    """A table's columns in their order, with their types as SQL writes them: `numeric(10,2)`."""
    query = """
        select a.attname, format_type(a.atttypid, a.atttypmod)
        from pg_attribute a
        join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = %s and c.relname = %s and a.attnum > 0 and not a.attisdropped
        order by a.attnum"""
    found: list[tuple[str, str]] = connection.execute(query, [table.schema, table.name]).fetchall()
    return dict(found)


def replica_identity(connection: psycopg.Connection[Any], table: Table) -> str:
    """What an update or delete of the table logs of the old row: full, default, index or nothing."""
    query = """
        select c.relreplident from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = %s and c.relname = %s"""
    return _REPLICA_IDENTITIES[str(_one(connection, query, table.schema, table.name))]


def publication(connection: psycopg.Connection[Any], name: str) -> Publication | None:
    """The publication of that name, if there is one."""
    query = "select puballtables, pubinsert, pubupdate, pubdelete, pubtruncate from pg_publication where pubname = %s"
    found = connection.execute(query, [name]).fetchone()
    if found is None:
        return None
    all_tables, *published = found
    operations = ("insert", "update", "delete", "truncate")
    # Row filters and column lists came with PostgreSQL 15.
    partial = sql.SQL("r.prqual is not null or r.prattrs is not null")
    members = sql.SQL(
        """
        select n.nspname, c.relname, {partial}
        from pg_publication_rel r
        join pg_publication p on p.oid = r.prpubid
        join pg_class c on c.oid = r.prrelid
        join pg_namespace n on n.oid = c.relnamespace
        where p.pubname = %s"""
    ).format(partial=partial if connection.info.server_version >= 150000 else sql.SQL("false"))
    tables = {Table(schema, table): in_part for schema, table, in_part in connection.execute(members, [name])}
    return Publication(
        frozenset(tables),
        frozenset(table for table, in_part in tables.items() if in_part),
        frozenset(operation for operation, on in zip(operations, published, strict=True) if on),
        all_tables,
    )


def slot_state(connection: psycopg.Connection[Any], name: str) -> str | None:
    """How a replication slot's WAL is kept: reserved, extended, unreserved or lost; None without such a slot."""
    found = _one(
        connection, "select coalesce(wal_status, 'reserved') from pg_replication_slots where slot_name = %s", name
    )
    return None if found is None else str(found)


def slot_in_use(connection: psycopg.Connection[Any], name: str) -> bool:
    """Whether somebody reads from a replication slot now."""
    return bool(_one(connection, "select active from pg_replication_slots where slot_name = %s", name))


def drop_slot(connection: psycopg.Connection[Any], name: str) -> None:
    """Drop a replication slot that nobody uses; one that is not there is fine."""
    query = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s"
    connection.execute(query, [name])


def missing_rights(
    connection: psycopg.Connection[Any],
    role: str,
    database: str,
    table: Table,
    *,
    heartbeat: Table | None,
    signals: Table | None,
) -> list[str] | None:
    """The rights that a capturing role lacks, in words; None when there is no such role."""
    query = "select rolreplication or rolsuper, rolcanlogin from pg_roles where rolname = %s"
    found = connection.execute(query, [role]).fetchone()
    if found is None:
        return None
    replication, login = found
    # to_regclass answers null for a table that is not there yet, and so does a right asked of null.
    rights = [
        ("replication", replication),
        ("login", login),
        (f"connect on {database}", _one(connection, _HAS_DATABASE, role, database)),
        (f"usage on {table.schema}", _has_usage(connection, role, table.schema)),
        (f"select on {table}", _has(connection, role, table, "select")),
    ]
    if heartbeat:
        rights.append((f"usage on {heartbeat.schema}", _has_usage(connection, role, heartbeat.schema)))
        rights += [
            (f"{right} on {heartbeat}", _has(connection, role, heartbeat, right))
            for right in ("select", "insert", "update")
        ]
    if signals:
        rights += [
            (f"{right} on {signals}", _has(connection, role, signals, right))
            for right in ("select", "insert", "delete")
        ]
    return [right for right, held in rights if not held]


_HAS_DATABASE = "select has_database_privilege(%s, %s, 'connect')"


def _has_usage(connection: psycopg.Connection[Any], role: str, schema: str) -> bool:
    query = "select has_schema_privilege(%s, oid, 'usage') from pg_namespace where nspname = %s"
    return bool(_one(connection, query, role, schema))


def _has(connection: psycopg.Connection[Any], role: str, table: Table, right: str) -> bool:
    query = "select has_table_privilege(%s, to_regclass(format('%%I.%%I', %s::text, %s::text)), %s)"
    return bool(_one(connection, query, role, table.schema, table.name, right))


def _one(connection: psycopg.Connection[Any], query: str, *parameters: object) -> object:
    row = connection.execute(query.encode(), parameters).fetchone()
    return row[0] if row else None
