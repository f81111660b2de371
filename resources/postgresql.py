"""PostgreSQL source tables, made ready for capture: replica identity, publication, heartbeat, signals, rights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from dropless import databases, passwords
from dropless.contract.problems import did_you_mean, listed
from dropless.desired.databases import MISSING, THERE
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from dropless.plan import Change, Json, Resource
from resources import postgresql_catalogue as catalogue
from resources.adapter import Progress
from resources.postgresql_catalogue import Table
from resources.postgresql_slots import Slots
from resources.postgresql_statements import HEARTBEAT, SETTLED, operations, publication_of, statements


class PostgresqlSources:
    """Captured tables, each in its own database on the platform's server or on the one of a URI.

    The hint `uri_env` names the environment variable with the URI of another server; the property
    `secret` names the file that holds the URI's password for Connect.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._slots = Slots(endpoints)

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """What the catalogue says of every table.

        Raises:
            DroplessError: the database or the table is missing, or its primary key is not the contract's.
        """
        return {resource.id: self._observe(resource) for resource in desired}

    def check(self, change: Change) -> None:
        """Refuse to go on as if nothing had happened when changes are lost to the connector.

        A slot that is gone takes the WAL with it that was not read yet. A dropped publication made anew does
        not help a slot either: PostgreSQL decodes old changes with the catalogue of their time, in which the
        publication is missing; the connector would try again for ever, and nothing would arrive.

        Raises:
            Unsafe: the table has to be read anew.
            DroplessError: it has to, and its connector is gone too; or the table lacks a column that is read.
        """
        with self._connected(change.desired) as connection:
            _check_columns(connection, change)
            error = self._slots.refusal(connection, change)
        if error:
            raise error

    def replace(self, change: Change, progress: Progress) -> None:
        """Have the connector forget how far it was, and drop its slot: resumed, it reads the whole table anew."""
        progress(f"stopping connector {change.desired.name}")
        self._slots.release(lambda: self._connected(change.desired), change.desired)
        self._prepare(change)

    def apply(self, change: Change) -> None:
        """Make the table ready, in one transaction; the table's rows are not touched."""
        self.check(change)
        self._prepare(change)

    def _prepare(self, change: Change) -> None:
        source = change.desired
        table = Table.parse(source.properties["table"])
        changed = {each.path.split("/")[0] for each in change.properties}
        with self._connected(source) as connection:
            publication = catalogue.publication(connection, publication_of(source)["name"])
            for statement in statements(source, changed, publication):
                try:
                    connection.execute(statement)
                except psycopg.Error as error:
                    raise DroplessError(
                        f"PostgreSQL refused to prepare {table} in database {source.properties['database']!r} "
                        f"for capture: {_first_line(error)}."
                    ) from None
        if "secret" in source.properties:
            passwords.write(self._endpoints.secrets / source.properties["secret"], self._uri_password(source))

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Nothing to wait for: what was committed is there."""

    def columns(self, source: Resource) -> dict[str, str]:
        """The table's columns with their types as SQL writes them.

        Raises:
            DroplessError: the database does not answer.
        """
        with self._connected(source) as connection:
            return catalogue.columns(connection, Table.parse(source.properties["table"]))

    def _observe(self, source: Resource) -> Resource:
        database = source.properties["database"]
        table = Table.parse(source.properties["table"])
        with self._connected(source) as connection:
            if not catalogue.table_exists(connection, table):
                raise DroplessError(
                    f"There is no table {table} in PostgreSQL database {database!r}: "
                    "create it, or correct `table` in the contract."
                )
            _check_key(source, table, catalogue.primary_key(connection, table))
            found: dict[str, Json] = {
                "database": database,
                "table": source.properties["table"],
                "replica_identity": catalogue.replica_identity(connection, table),
                "publication": _as_desired(source, catalogue.publication(connection, publication_of(source)["name"])),
                "heartbeat": catalogue.table_exists(connection, HEARTBEAT),
                "signals": _existing(connection, source.properties.get("signals")),
                "role": self._role(connection, source, table),
                "secret": self._kept_secret(source),
                "slot": self._slots.found(connection, source),
                "columns": _columns(connection, source, table),
            }
        managed = {name: value for name, value in found.items() if name in source.properties}
        return Resource(source.system, source.kind, source.name, managed)

    def _role(self, connection: psycopg.Connection[Any], source: Resource, table: Table) -> str | None:
        role = source.properties.get("role")
        heartbeat = HEARTBEAT if source.properties.get("heartbeat") else None
        if role is None:
            return None
        signals = Table.parse(source.properties["signals"]) if source.properties.get("signals") else None
        lacking = catalogue.missing_rights(
            connection, role, source.properties["database"], table, heartbeat=heartbeat, signals=signals
        )
        if lacking is None:
            raise DroplessError(f"PostgreSQL has no role {role!r}: make it with `create role ... login replication`.")
        return f"{role} without {', '.join(lacking)}" if lacking else role

    def _kept_secret(self, source: Resource) -> str | None:
        name = source.properties.get("secret")
        if name is None:
            return None
        path = self._endpoints.secrets / name
        return name if path.is_file() and path.read_text() == self._uri_password(source) else None

    def _uri_password(self, source: Resource) -> str:
        try:
            password = conninfo_to_dict(_uri(source)).get("password")
        except psycopg.ProgrammingError:
            # libpq's own words would repeat the URI with its password.
            raise DroplessError(f"{source.hints['uri_env']} does not hold a PostgreSQL URI.") from None
        if not password:
            raise DroplessError(f"The URI in {source.hints['uri_env']} has no password, which Connect needs.")
        return str(password)

    @contextmanager
    def _connected(self, source: Resource) -> Iterator[psycopg.Connection[Any]]:
        database = source.properties["database"]
        try:
            if source.hints.get("uri_env"):
                connection = psycopg.connect(_uri(source), dbname=database, connect_timeout=5)
            else:
                connection = databases.postgresql(self._endpoints, database, "admin")
        except psycopg.OperationalError as error:
            # A refused connection has no SQLSTATE in psycopg; libpq's text names the missing database.
            if f'database "{database}" does not exist' in str(error):
                raise DroplessError(
                    f"There is no PostgreSQL database {database!r}: create it, or correct `database` in the contract."
                ) from None
            raise Unreachable(f"PostgreSQL database {database!r} does not let us in: {_first_line(error)}.") from None
        except psycopg.ProgrammingError:
            raise DroplessError(f"{source.hints['uri_env']} does not hold a PostgreSQL URI.") from None
        with connection:
            # Never queue behind a long transaction of the application: its other statements would queue behind us.
            connection.execute("set lock_timeout = '5s'")
            if (level := catalogue.setting(connection, "wal_level")) != "logical":
                raise DroplessError(
                    f"The PostgreSQL server of database {database!r} has wal_level={level}: "
                    "set it to logical and restart the server."
                )
            yield connection


def _existing(connection: psycopg.Connection[Any], table: str | None) -> str | None:
    if table and catalogue.table_exists(connection, Table.parse(table)):
        return table if catalogue.function_exists(connection, SETTLED) else f"{table} without {SETTLED}()"
    return None


def _check_key(source: Resource, table: Table, key: Sequence[str]) -> None:
    database = source.properties["database"]
    wanted = list(source.properties.get("key") or source.hints.get("key") or ())
    if not key:
        raise DroplessError(
            f"Table {table} in PostgreSQL database {database!r} has no primary key, so its changes cannot be told "
            f"apart: add one with `alter table {table} add primary key ({', '.join(wanted) or '...'})`."
        )
    if wanted and set(wanted) != set(key):
        raise DroplessError(
            f"Table {table} in PostgreSQL database {database!r} has the primary key ({', '.join(key)}), "
            f"but the contract says ({', '.join(wanted)}): write `key: [{', '.join(key)}]`."
        )


def _columns(connection: psycopg.Connection[Any], source: Resource, table: Table) -> dict[str, str]:
    there = catalogue.columns(connection, table)
    reads: Mapping[str, Sequence[str]] = source.hints.get("reads", {})
    return {what: THERE if there.keys() & {*names} else MISSING for what, names in reads.items()}


def _check_columns(connection: psycopg.Connection[Any], change: Change) -> None:
    """Refuse a contract that reads a column which its table lacks: every row would be a dead letter."""
    source = change.desired
    lacking = [each.path.removeprefix("columns/") for each in change.properties if each.before == MISSING]
    if not lacking:
        return
    table = Table.parse(source.properties["table"])
    read = {name for names in source.hints["reads"].values() for name in names}
    others = [name for name in catalogue.columns(connection, table) if name not in read]
    guess = did_you_mean(lacking[0], others)
    raise DroplessError(
        f"Table {table} in PostgreSQL database {source.properties['database']!r} has no column "
        f"{listed(lacking)}{guess}, which the contract reads. If it was renamed, read both: "
        f"`from: [<new>, {lacking[0]}]`; if it comes later, add `optional: true`."
    )


def _as_desired(source: Resource, found: catalogue.Publication | None) -> Json:
    # Tables and operations are sets; the desired spelling stands where it means the same.
    wanted = publication_of(source)
    if found is None:
        return None
    same_tables = found.tables == {Table.parse(each) for each in wanted["tables"]}
    same_operations = found.publish == operations(wanted["publish"])
    tables = sorted(f"{each} (in part)" if each in found.partial else str(each) for each in found.tables)
    return {
        "name": wanted["name"],
        "tables": wanted["tables"] if same_tables and not found.partial and not found.all_tables else tables,
        "publish": wanted["publish"] if same_operations else ",".join(sorted(found.publish)),
    }


def _uri(source: Resource) -> str:
    variable = source.hints["uri_env"]
    if uri := os.environ.get(variable):
        return uri
    raise DroplessError(f"{variable} is not set: it must hold the URI of the PostgreSQL server of {source.name!r}.")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
