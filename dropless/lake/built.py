"""How a curated dataset is after a build: its size, what of its promises is broken, and what is shown of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dropless.lake import catalogue
from dropless.lake.dataset import Dataset
from dropless.lake.engine import connect, quoted
from dropless.lake.header import Check
from dropless.lake.plotting import Points, points
from dropless.lake.reading import LakeTable
from dropless.lake.result import sentences
from dropless.lake.store import Store

PREVIEW_ROWS: Final = 10


@dataclass(frozen=True)
class Built:
    """A dataset after a build: which parts were built anew (none where nothing had changed), and how it is now."""

    version: int
    rows: int
    bytes: int
    files: int
    parts: tuple[str, ...]
    schema: pa.Schema
    preview: pa.Table
    broken: Mapping[str, int]
    """By check: how many rows, or groups of rows, are not as promised."""
    plot: Points | None
    """None where none is declared."""


def look(store: Store, dataset: Dataset, done: tuple[str, ...]) -> Built:
    """The dataset as it lies in the lake, of which `done` was built.

    Raises:
        DroplessError: a check or the plot is wrong, or the lake does not answer.
    """
    table = LakeTable(store, catalogue.find(store, dataset.folder))
    files = table.files()
    header = dataset.header
    with connect() as database:
        table.register(database)
        result = quoted(dataset.folder)
        with sentences():
            broken = {check.name: _broken(database, result, check) for check in header.checks}
            preview = database.sql(f"select * from {result} limit {PREVIEW_ROWS}").to_arrow_table()  # noqa: S608
        plot = points(database, dataset.name, result, header.plot) if header.plot else None
    return Built(
        version=table.version,
        rows=len(table),
        bytes=sum(files.values()),
        files=len(files),
        parts=done if header.partition else (),
        schema=table.schema,
        preview=preview,
        broken=broken,
        plot=plot,
    )


def _broken(database: DuckDBPyConnection, result: str, check: Check) -> int:
    if check.unique:
        columns = ", ".join(map(quoted, check.unique))
        sql = f"select count(*) from (select 1 from {result} group by {columns} having count(*) > 1)"  # noqa: S608
    elif check.none:
        sql = f"select count(*) from {result} where {check.none}"  # noqa: S608 - the dataset's own SQL
    else:
        sql = f"select greatest(0, {check.at_least} - count(*)) from {result}"  # noqa: S608
    return int(database.sql(sql).fetchall()[0][0])
