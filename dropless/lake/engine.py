"""The DuckDB that answers SQL over the lake."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb
from duckdb import DuckDBPyConnection

from dropless.errors import DroplessError
from dropless.lake.result import Result, sentences

MEMORY: Final = "512MB"


def connect() -> DuckDBPyConnection:
    """An in-memory DuckDB that speaks UTC and downloads nothing."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute("set TimeZone = 'UTC'")
    # It would be printed amid what others read from our standard output. A notebook that lacks ipywidgets has it
    # off, and refuses to be told so.
    if connection.execute("select current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        connection.execute("set enable_progress_bar = false")
    return connection


def limit(connection: DuckDBPyConnection, spill: str, memory: str = MEMORY) -> None:
    """Bound a connection's memory, however many rows there are; what does not fit goes to a folder."""
    connection.execute(f"set memory_limit = '{memory}'")
    connection.execute(f"set temp_directory = '{spill}'")


@contextmanager
def bounded(memory: str = MEMORY) -> Iterator[DuckDBPyConnection]:
    """A connection with bounded memory, and a folder of its own for what does not fit."""
    with tempfile.TemporaryDirectory(prefix="dropless-duckdb-") as spill, connect() as connection:
        limit(connection, spill, memory)
        yield connection


def query(connection: DuckDBPyConnection, sql: str) -> Result:
    """A query over what is registered.

    Raises:
        DroplessError: it is no SQL, or names what there is not.
    """
    with sentences():
        relation = connection.sql(sql)
    if relation is None:
        raise DroplessError("The statement returns no rows; the lake is only read here: use a select.")
    return Result(relation)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
