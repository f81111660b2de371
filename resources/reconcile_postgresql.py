"""A PostgreSQL table as reconciliation reads it: digests by SQL in one snapshot, and single rows by their keys."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import date, timedelta
from queue import SimpleQueue
from typing import Any, Final

import psycopg
from psycopg import sql

from dropless.backfill.slices import SLICE_SECONDS, Key, Pace
from dropless.contract import Contract, PostgresqlTable, Source
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.reconciliation import in_postgresql
from dropless.reconciliation.canonical import Digest, Hasher, Split, Values, bucket
from dropless.reconciliation.in_postgresql import INTEGERS, Written
from dropless.reconciliation.keys import parts_of
from dropless.reconciliation.mapped import Mapped, Refused, mapped
from dropless.reconciliation.where import Where
from dropless.union.canonical_json import loads
from resources import postgresql_catalogue as catalogue
from resources import source_connections
from resources.postgresql_catalogue import Table

CHUNK_ROWS: Final = 100_000
KEYS_AT_ONCE: Final = 2_000
WORKERS: Final = 2
_INFINITE: Final = 2**63 - 1
_UNIX_DAY = date(1970, 1, 1)

Progress = Callable[[int], None]
"""Told the number of rows that were read since it was last told."""


class PostgresqlSide:
    """One table. `digest` opens a snapshot, which `hashed` and `partly` then read, too, until `release`.

    Every method raises `Unreachable` when the database does not answer.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        contract: Contract,
        source: Source,
        origin: PostgresqlTable,
        where: Where | None = None,
    ) -> None:
        """`origin` is the source's table; `where` chooses the rows of digests, and of nothing else."""
        self._where = where
        self._endpoints = endpoints
        self._source = source
        self._origin = origin
        self._contract = contract
        self._name = Table(origin.schema_name, origin.table_name)
        self._table = sql.Identifier(self._name.schema, self._name.name)
        self._connection: psycopg.Connection[Any] | None = None
        self._made: tuple[Written, dict[str, str], Mapped] | None = None
        self.rows_read = 0
        self.seconds = 0.0

    @property
    def split(self) -> Split:
        """Which columns the database writes by itself."""
        return self._written()[0].split

    def digest(self, rate: float | None, progress: Progress, *, keys_only: bool = False) -> Digest:
        """The digest of the whole table, block by block; `rate` caps the rows a second.

        Without a rate two connections read the same snapshot.
        """
        pace, workers = Pace(rate), WORKERS if rate is None else 1
        rows = self._written()[0]
        select = in_postgresql.keyed if keys_only else in_postgresql.hashed
        found = Digest()

        def one(condition: sql.Composable) -> Digest:
            condition = self._chosen(condition)
            made = Digest()
            connection = free.get()
            try:
                summed = connection.execute(in_postgresql.summed(select(rows, self._table, condition)))
                made.extend((each[0], each[1:]) for each in summed)
                if rows.split.fetched and not keys_only:
                    made.extend(self._fetched(connection, condition))
            finally:
                free.put(connection)
            return made

        def take(made: Digest) -> None:
            pace.begun(made.rows, time.monotonic())
            found.extend(made.buckets.items())
            self.rows_read += made.rows
            progress(made.rows)

        free: SimpleQueue[psycopg.Connection[Any]] = SimpleQueue()
        with self._asked() as connection, ExitStack() as others:
            connection.execute("begin isolation level repeatable read, read only")
            free.put(connection)
            for _ in range(1, workers):
                free.put(others.enter_context(closing(self._beside(connection))))
            pool = ThreadPoolExecutor(workers)
            others.callback(pool.shutdown, cancel_futures=True)
            # One more than are read at once: no connection waits until we have added up. A rate is kept block by block.
            ahead = workers + 1 if rate is None else 1
            begun: deque[Future[Digest]] = deque()
            for chunk in self._chunks(connection, CHUNK_ROWS if rate is None else max(1, int(rate * SLICE_SECONDS))):
                if len(begun) == ahead:
                    take(begun.popleft().result())
                time.sleep(pace.wait(time.monotonic()))
                begun.append(pool.submit(one, chunk))
            for last in begun:
                take(last.result())
        return found

    def partly(self, keys: Collection[str], *, keys_only: bool = False) -> Digest:
        """The digest of some rows of the snapshot."""
        found = Digest()
        for key, _, high, low, fine in self.hashed(self._conditions(keys), keys_only=keys_only):
            found.add(bucket(key), (1, high, low, fine))
        return found

    def in_buckets(
        self, buckets: Collection[int], *, keys_only: bool = False
    ) -> Iterator[tuple[str, int, int, int, int]]:
        """Key, bucket and hashes of the snapshot's rows in some buckets."""
        wanted = sql.SQL("{} = any({})").format(
            in_postgresql.bucket_of(self._written()[0]), sql.Literal(sorted(buckets))
        )
        yield from self.hashed([wanted], keys_only=keys_only)

    def hashed(
        self, conditions: Sequence[sql.Composable], *, keys_only: bool = False
    ) -> Iterator[tuple[str, int, int, int, int]]:
        """Key, bucket and hashes of the snapshot's rows that fulfil one of the conditions."""
        rows = self._written()[0]
        select = in_postgresql.keyed if keys_only else in_postgresql.hashed
        with self._asked() as connection:
            for condition in map(self._chosen, conditions):
                selected = connection.execute(select(rows, self._table, condition))
                found = {key: [place, high, low, fine] for key, place, high, low, fine in selected}
                if rows.split.fetched and not keys_only:
                    for key, more in self._fetched_rows(connection, condition):
                        found[key] = [found[key][0], *(a + b for a, b in zip(found[key][1:], more[1:], strict=True))]
                self.rows_read += len(found)
                for key, (place, high, low, fine) in found.items():
                    yield key, place, high, low, fine

    def _chosen(self, condition: sql.Composable) -> sql.Composable:
        if self._where is None:
            return condition
        chosen = in_postgresql.chosen(self._written()[0], self._where.condition)
        return sql.SQL("({}) and {}").format(condition, chosen)

    @property
    def everything(self) -> sql.Composable:
        """The condition of all rows."""
        return sql.SQL("true")

    def release(self) -> None:
        """End the snapshot and the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def rows(self, keys: Collection[str]) -> dict[str, Values | Refused]:
        """The rows of these keys as they are now, mapped; those that are not there are left out."""
        rows, types, mapping = self._written()
        names = sorted(mapping.origins & types.keys())
        selected = sql.SQL(", ").join([rows.key, *(_wire(name, types[name]) for name in names)])
        found: dict[str, Values | Refused] = {}
        with self._asked() as connection:
            for condition in self._conditions(keys):
                query = sql.SQL("select {} from {} where {}").format(selected, self._table, condition)
                for key, *texts in connection.execute(query):
                    row = {name: _value(text, types[name]) for name, text in zip(names, texts, strict=True)}
                    found[key] = mapping.row(row)
        self.rows_read += len(found)
        return found

    def backfill_keys(self, keys: Collection[str]) -> list[Key]:
        """These rows' primary keys, as a backfill takes them: in the order of the index."""
        _, types, _ = self._written()
        with self._asked() as connection:
            order = [self._source.key.index(name) for name in catalogue.primary_key(connection, self._name)]
        parts = [parts_of(key) for key in sorted(keys)]
        return [tuple(_typed(each[number], types[self._source.key[number]]) for number in order) for each in parts]

    def _fetched(
        self, connection: psycopg.Connection[Any], where: sql.Composable
    ) -> Iterator[tuple[int, Sequence[int]]]:
        for key, more in self._fetched_rows(connection, where):
            yield bucket(key), (0, *more[1:])

    def _fetched_rows(
        self, connection: psycopg.Connection[Any], where: sql.Composable
    ) -> Iterator[tuple[str, Sequence[int]]]:
        rows, types, mapping = self._written()
        selected = sql.SQL(", ").join([rows.key, *(_wire(name, types[name]) for name in rows.origins)])
        half = rows.split.fetched
        hasher, origins = Hasher(Split(half)), [(name, types[name]) for name in rows.origins]
        query = sql.SQL("select {} from {} where ({}) and not {}")
        for key, *texts in connection.execute(query.format(selected, self._table, where, rows.absent)):
            row = {name: _value(text, type_) for (name, type_), text in zip(origins, texts, strict=True)}
            yield key, hasher.hashes(key, mapping.columns(row, half))

    def _beside(self, connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
        """Another connection that sees the snapshot of this one."""
        exported = connection.execute("select pg_export_snapshot()").fetchone()
        other = self._connected()
        other.execute("begin isolation level repeatable read, read only")
        other.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(exported[0] if exported else "")))
        return other

    def _connected(self) -> psycopg.Connection[Any]:
        made = source_connections.postgresql(self._endpoints, self._origin)
        for setting in ("datestyle to ISO", "timezone to UTC", "extra_float_digits to 1"):
            # The last for servers before 12, which would round a double's text.
            made.execute(sql.SQL("set ") + sql.SQL(setting))
        return made

    def _chunks(self, connection: psycopg.Connection[Any], rows: int) -> Iterator[sql.Composable]:
        query = """
            select pg_relation_size(c.oid) / current_setting('block_size')::bigint, c.reltuples, c.relpages
            from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and c.relname = %s"""
        found = connection.execute(query, [self._name.schema, self._name.name]).fetchone()
        blocks, tuples, pages = found or (0, 0, 0)
        each = max(1, int(rows / max(1.0, tuples / pages if pages and tuples > 0 else 50.0)))
        for first in range(0, max(blocks, 1), each):
            until = sql.SQL(" and ctid < {}::tid").format(sql.Literal(f"({first + each},0)"))
            # The last one is open: what came meanwhile is not in the snapshot anyway.
            end = until if first + each < blocks else sql.SQL("")
            yield sql.SQL("ctid >= {}::tid{}").format(sql.Literal(f"({first},0)"), end)

    def _conditions(self, keys: Collection[str]) -> list[sql.Composable]:
        _, types, _ = self._written()
        columns = sql.SQL(", ").join(sql.Identifier(name) for name in self._source.key)
        ordered = sorted(keys)
        made: list[sql.Composable] = []
        for first in range(0, len(ordered), KEYS_AT_ONCE):
            listed = [parts_of(key) for key in ordered[first : first + KEYS_AT_ONCE]]
            arrays = [
                sql.SQL("{}::text[]::{}[]").format(
                    sql.Literal([_typed(parts[number], types[name]) for parts in listed]), _type(types[name])
                )
                for number, name in enumerate(self._source.key)
            ]
            made.append(sql.SQL("({}) in (select * from unnest({}))").format(columns, sql.SQL(", ").join(arrays)))
        return made

    def _written(self) -> tuple[Written, dict[str, str], Mapped]:
        if self._made is None:
            with self._asked() as connection:
                encoding = catalogue.setting(connection, "server_encoding")
                if encoding != "UTF8":
                    raise DroplessError(
                        f"PostgreSQL database {self._origin.database!r} is in {encoding}; its digests need UTF8."
                    )
                types = catalogue.columns(connection, self._name)
            mapping = mapped(self._contract, self._source)
            self._made = in_postgresql.written(self._contract, self._source, types), types, mapping
        return self._made

    @contextmanager
    def _asked(self) -> Iterator[psycopg.Connection[Any]]:
        began = time.monotonic()
        with source_connections.answering_postgresql(self._origin.database):
            if self._connection is None or self._connection.closed:
                self._connection = self._connected()
            yield self._connection
        self.seconds += time.monotonic() - began


def _wire(name: str, type_: str) -> sql.Composable:
    """A column's text, close to how Debezium writes it."""
    column = sql.Identifier(name)
    if type_.startswith("timestamp"):
        return sql.SQL(
            "case when isfinite({c}) then (extract(epoch from {c}) * 1000000)::bigint::text "
            "when {c} is not null then {infinite} end"
        ).format(c=column, infinite=sql.Literal(str(_INFINITE)))
    if type_.endswith("[]"):
        return sql.SQL("to_json({})::text").format(column)
    if type_ == "character" or type_.startswith("character("):
        return sql.SQL("textin(bpcharout({}))").format(column)
    if type_ == "bytea":
        return sql.SQL("translate(encode({}, 'base64'), E'\\n', '')").format(column)
    return sql.SQL("{}::text").format(column)


def _value(text: str | None, type_: str) -> Any:
    if text is None:
        return None
    if type_ in INTEGERS or type_.startswith("timestamp"):
        return int(text)
    if type_ in {"real", "double precision"}:
        return float(text)
    if type_ == "boolean":
        return text == "true"
    return loads(text) if type_.endswith("[]") else text


def _typed(part: str, type_: str) -> str:
    if type_ != "date":
        return part
    return (_UNIX_DAY + timedelta(days=int(part))).isoformat()


def _type(type_: str) -> sql.Composable:
    # As the catalogue writes it; a length would cut.
    name = "bpchar" if type_.startswith("character(") else type_.partition("(")[0]
    return sql.SQL(name)
