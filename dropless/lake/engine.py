"""The DuckDB that answers SQL over the lake."""

from __future__ import annotations

import duckdb
from duckdb import DuckDBPyConnection

from dropless.errors import DroplessError
from dropless.lake.result import Result, sentences


def connect() -> DuckDBPyConnection:
    """An in-memory DuckDB that speaks UTC and downloads nothing."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute("set TimeZone = 'UTC'")
    # It would be printed amid what others read from our standard output. A notebook that lacks ipywidgets has it
    # off, and refuses to be told so.
    if connection.execute("select current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        connection.execute("set enable_progress_bar = false")
    return connection


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
