"""What sources keep for their connectors: replication slots and oplogs, asked of their servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from dropless import databases
from dropless.contract import MongodbCollection, PostgresqlTable
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from dropless.retention import Oplog, Slot

_SLOTS = """
    select active, coalesce(wal_status, 'lost'), safe_wal_size,
           pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')
    from pg_replication_slots where slot_name = %s"""


def replication_slot(endpoints: Endpoints, table: PostgresqlTable, slot: str) -> Slot | None:
    """The slot of a captured table; None when there is none.

    Raises:
        Unreachable: the server does not answer.
    """
    try:
        with _postgresql(endpoints, table) as connection:
            found = connection.execute(_SLOTS, [slot]).fetchone()
    except psycopg.Error as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise Unreachable(f"PostgreSQL database {table.database!r} does not answer: {lines[0]}") from None
    if found is None:
        return None
    active, status, safe, retained, written = found
    return Slot(active, status, int(retained or 0), safe, int(written))


def oplog(endpoints: Endpoints, collection: MongodbCollection) -> Oplog:
    """The span of the oplog behind a captured collection.

    Raises:
        DroplessError: the server does not answer, or its user may not look.
    """
    try:
        with _mongodb(endpoints, collection) as client:
            entries = client["local"]["oplog.rs"]
            ends = [entries.find_one({}, {"ts": 1}, sort=[("$natural", way)]) for way in (1, -1)]
    except PyMongoError as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise DroplessError(f"MongoDB does not tell what its oplog holds: {lines[0][:200]}") from None
    oldest, newest = (float(each["ts"].time) if each else 0.0 for each in ends)
    return Oplog(oldest, newest)


@contextmanager
def _postgresql(endpoints: Endpoints, table: PostgresqlTable) -> Iterator[psycopg.Connection[Any]]:
    if table.uri_env is None:
        connection = databases.postgresql(endpoints, table.database, "admin", autocommit=True)
    else:
        uri = _uri(table.uri_env)
        connection = psycopg.connect(uri, dbname=table.database, connect_timeout=5, autocommit=True)
    with connection:
        yield connection


@contextmanager
def _mongodb(endpoints: Endpoints, collection: MongodbCollection) -> Iterator[MongoClient[dict[str, Any]]]:
    if collection.uri_env is None:
        with databases.mongodb(endpoints, "admin") as client:
            yield client
    else:
        uri = _uri(collection.uri_env)
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=5000, connectTimeoutMS=5000) as client:
            yield client


def _uri(variable: str) -> str:
    if uri := os.environ.get(variable):
        return uri
    raise DroplessError(f"{variable} is not set: it must hold the URI of a source's server.")
