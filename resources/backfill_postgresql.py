"""A PostgreSQL table whose rows are to be read again, and its table of signals."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import orjson
import psycopg
from psycopg import sql

from dropless import names
from dropless.backfill.signals import Signal, postgresql_collection
from dropless.backfill.slices import Key, Range, Selection
from dropless.contract import PostgresqlTable
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from resources import postgresql_catalogue as catalogue
from resources import source_connections
from resources.postgresql_catalogue import Table
from resources.postgresql_statements import SETTLED


class PostgresqlOrigin:
    """Reads keys and writes signals with the rights of the connector's own role, and asks nothing else.

    Keys are compared as text literals without a type, which PostgreSQL reads as the column's.
    """

    def __init__(self, endpoints: Endpoints, table: str, source: str, origin: PostgresqlTable) -> None:
        self._endpoints = endpoints
        self._origin = origin
        self._table = Table(origin.schema_name, origin.table_name)
        self._signals = sql.Identifier(names.SOURCE_SCHEMA, names.signal_table(table, source))
        self._connection: psycopg.Connection[Any] | None = None
        self._key: tuple[str, ...] = ()

    @property
    def collection(self) -> str:
        """The table, as a signal names it."""
        return postgresql_collection(self._origin)

    def parsed(self, text: str) -> Key:
        """A key as a person gives it: its text, or a JSON list of the parts' texts when it has several.

        Raises:
            DroplessError: it has another number of parts.
        """
        if len(self._origin.key) == 1:
            return (text,)
        return parts(text, self._origin.key)

    def count(self, selection: Selection) -> int:
        """How many rows there are now."""
        with self._connected() as connection:
            return int(self._rows(connection, "select count(*) from {} where {}", selection, Range())[0][0])

    def last(self, selection: Selection) -> Key | None:
        """The greatest key."""
        with self._connected() as connection:
            ask: LiteralString = "select {key} from {} where {} order by {descending} limit 1"
            rows = self._rows(connection, ask, selection, Range())
            return rows[0] if rows else None

    def slice(self, selection: Selection, rows: int, within: Range) -> list[Key]:
        """The first keys of a range, in their order."""
        with self._connected() as connection:
            ask: LiteralString = "select {key} from {} where {} order by {ascending} limit {limit}"
            return self._rows(connection, ask, selection, within, rows)

    def condition(self, selection: Selection, within: Range) -> str:
        """The SQL condition of a range, every key quoted."""
        with self._connected() as connection:
            # Asked first, in the query for the greatest key, whose snapshot is not that of the rows.
            settled = sql.SQL("(select {}())").format(sql.Identifier(SETTLED.schema, SETTLED.name))
            return sql.SQL(" and ").join([settled, condition(self._key, selection, within)]).as_string(connection)

    def send(self, signal: Signal) -> None:
        """Write a signal, once."""
        with self._connected() as connection:
            insert = sql.SQL("insert into {} values (%s, %s, %s) on conflict (id) do nothing").format(self._signals)
            connection.execute(insert, [signal.id, signal.type, signal.data])

    def written(self) -> dict[str, Signal]:
        """The rows of the signal table."""
        with self._connected() as connection:
            found = connection.execute(sql.SQL("select id, type, data from {}").format(self._signals))
            return {row[0]: Signal.read(*row) for row in found}

    def forget(self, ids: Collection[str]) -> None:
        """Delete rows of the signal table."""
        with self._connected() as connection:
            delete = sql.SQL("delete from {} where id = any(%s)").format(self._signals)
            connection.execute(delete, [list(ids)])

    def close(self) -> None:
        """End the connection."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _rows(
        self,
        connection: psycopg.Connection[Any],
        ask: LiteralString,
        selection: Selection,
        within: Range,
        limit: int = 0,
    ) -> list[tuple[Any, ...]]:
        columns = [sql.Identifier(name) for name in self._key]
        comma = sql.SQL(", ")
        query = sql.SQL(ask).format(
            sql.Identifier(self._table.schema, self._table.name),
            condition(self._key, selection, within),
            # Under another name: `order by` would take the column's own for the text.
            key=comma.join(
                sql.SQL("{}::text as {}").format(each, sql.Identifier(f"key part {number}"))
                for number, each in enumerate(columns)
            ),
            ascending=comma.join(columns),
            descending=comma.join(sql.SQL("{} desc").format(each) for each in columns),
            limit=sql.Literal(limit),
        )
        with connection.transaction():
            # A condition is its author's own SQL, and still has no business with writing.
            connection.execute("set transaction read only")
            return connection.execute(query).fetchall()

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with source_connections.answering_postgresql(self._origin.database):
                if self._connection is None or self._connection.closed:
                    self._connection = source_connections.postgresql(self._endpoints, self._origin)
                    # In the order of the index, which may not be the contract's.
                    self._key = tuple(catalogue.primary_key(self._connection, self._table))
                yield self._connection
        except Unreachable:
            self.close()
            raise


def condition(key: Sequence[str], selection: Selection, within: Range) -> sql.Composable:
    """The SQL condition of a range of a selection, for a primary key of these columns; every value is quoted."""
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in key)
    found: list[sql.Composable] = []
    if selection.keys:
        any_of = sql.SQL(" or ").join(_compared(columns, "=", each) for each in selection.keys)
        found.append(sql.SQL("({})").format(any_of))
    if selection.where is not None:
        # On a line of its own, so that a comment at its end ends there.
        found.append(sql.SQL("({}\n)").format(sql.SQL(selection.where)))
    if within.after is not None:
        found.append(_compared(columns, ">", within.after))
    if within.last is not None:
        found.append(_compared(columns, "<=", within.last))
    return sql.SQL(" and ").join(found) if found else sql.SQL("true")


def _compared(columns: sql.Composable, operator: LiteralString, key: Key) -> sql.Composed:
    values = sql.SQL(", ").join(sql.Literal(part) for part in key)
    return sql.SQL(f"({{}}) {operator} ({{}})").format(columns, values)


def parts(text: str, columns: Collection[str]) -> Key:
    """The parts of a key that is written as a JSON list.

    Raises:
        DroplessError: it is no such list, or not as long as the key.
    """
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, list) or len(given) != len(columns):
        example = ", ".join(f'"{name}"' for name in columns)
        raise DroplessError(f"The key {text!r} must be a JSON list of {len(columns)} parts: [{example}].")
    return tuple(part if isinstance(part, str) else orjson.dumps(part).decode() for part in given)
