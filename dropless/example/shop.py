"""What every example shop can do, and the connection handling the two PostgreSQL ones share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, LiteralString, Protocol

import psycopg
from psycopg import sql

from dropless.example.orders import Change, Kind, Status

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Due:
    """A change and the time at which it was meant to happen, in UTC with microseconds."""

    change: Change
    at: datetime


class Shop(Protocol):
    """One source database with its orders."""

    @property
    def faults(self) -> tuple[str, ...]:
        """What a new order can be spoilt with."""

    def adopt(self, limit: int) -> list[Status]:
        """Take up to `limit` existing orders under the numbers 0, 1, ...; their states, in that order."""

    def commit(self, changes: Sequence[Due]) -> None:
        """Apply changes in order, in one transaction of the database."""

    def count(self) -> int:
        """How many orders there are."""

    def close(self) -> None:
        """Give the connection back."""


class PostgresqlShop:
    """A shop whose orders are rows; a subclass names the table and translates the values."""

    table: sql.Identifier
    key: tuple[str, ...]
    status_column: str
    states: ClassVar[Mapping[Status, str]]
    faults: tuple[str, ...]

    def __init__(self, connection: psycopg.Connection) -> None:
        """Take over an open connection."""
        self._connection = connection
        self._keys: dict[int, tuple[Any, ...]] = {}
        self._spare: list[tuple[Any, ...]] = []
        self._statements: dict[tuple[str, ...], sql.Composed] = {}

    def adopt(self, limit: int) -> list[Status]:
        """Take up to `limit` existing orders; those in an unknown state are left alone."""
        query = sql.SQL("select {}, {} from {} order by {} limit {}").format(
            self._names(self.key), sql.Identifier(self.status_column), self.table, self._names(self.key), limit
        )
        known = {state: status for status, state in self.states.items()}
        found = [(row[:-1], known[row[-1]]) for row in self._connection.execute(query) if row[-1] in known]
        self._connection.commit()
        self._keys = {number: key for number, (key, _) in enumerate(found)}
        return [status for _, status in found]

    def commit(self, changes: Sequence[Due]) -> None:
        """Apply changes in order, in one transaction and one round trip."""
        # Keys are reserved beforehand: a pipeline cannot wait for the answer of one of its statements.
        if len(self._spare) < len(changes):
            self._spare += self.reserve(max(len(changes), 200))
        with self._connection.transaction(), self._connection.pipeline():
            for due in changes:
                self._apply(due)

    def count(self) -> int:
        """How many orders there are."""
        query = sql.SQL("select count(*) from {}").format(self.table)
        (number,) = self._connection.execute(query).fetchone() or (0,)
        self._connection.commit()
        return int(number)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def reserve(self, count: int) -> list[tuple[Any, ...]]:
        """Primary keys that no order has and none will get."""
        raise NotImplementedError

    def columns(self, values: Values, at: datetime) -> dict[str, Any]:
        """The table's columns for these fields, the time of change included."""
        raise NotImplementedError

    def placed(self, at: datetime) -> dict[str, Any]:
        """The column that holds when an order was placed."""
        raise NotImplementedError

    def spoil(self, row: dict[str, Any], fault: str) -> None:
        """Give a new row the named fault."""
        raise NotImplementedError

    def _apply(self, due: Due) -> None:
        change = due.change
        match change.kind:
            case Kind.PLACE | Kind.SPOIL | Kind.RESTORE:
                key = self._keys[change.number] if change.kind is Kind.RESTORE else self._spare.pop()
                row = dict(zip(self.key, key, strict=True)) | self.columns(change.values, due.at) | self.placed(due.at)
                if change.fault:
                    self.spoil(row, change.fault)
                else:
                    self._keys[change.number] = key
                self._execute("insert", row)
            case Kind.REMOVE:
                self._execute("delete", {}, self._keys[change.number])
            case Kind.REKEY:
                before, after = self._keys[change.number], self._spare.pop()
                row = dict(zip(self.key, after, strict=True)) | self.columns({}, due.at)
                self._execute("update", row, before)
                self._keys[change.number] = after
            case _:
                self._execute("update", self.columns(change.values, due.at), self._keys[change.number])

    def _execute(self, verb: LiteralString, row: dict[str, Any], key: tuple[Any, ...] = ()) -> None:
        # One text per shape of statement, so that psycopg prepares it.
        shape = (verb, *row)
        statement = self._statements.get(shape)
        if statement is None:
            statement = self._statements[shape] = self._statement(verb, list(row))
        self._connection.execute(statement, [*row.values(), *key])

    def _statement(self, verb: LiteralString, columns: list[str]) -> sql.Composed:
        where = sql.SQL(" and ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in self.key)
        if verb == "insert":
            marks = sql.SQL(", ").join([sql.Placeholder()] * len(columns))
            return sql.SQL("insert into {} ({}) values ({})").format(self.table, self._names(columns), marks)
        if verb == "delete":
            return sql.SQL("delete from {} where {}").format(self.table, where)
        sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns)
        return sql.SQL("update {} set {} where {}").format(self.table, sets, where)

    @staticmethod
    def _names(columns: Sequence[str]) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(name) for name in columns)
