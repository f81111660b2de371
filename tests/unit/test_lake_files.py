"""Query results as files, and sentences about names."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropless.errors import DroplessError
from dropless.lake.catalogue import nearest
from dropless.lake.engine import connect, query
from dropless.lake.files import write

ROWS = """
    select i as id, cast(i as decimal(18,2)) / 1 as quotient, cast(i as decimal(18,2)) as amount,
    case when i % 2 = 0 then i end as sometimes, timestamptz '2026-01-01 00:00:00.123456Z' as placed_at
    from range(150000) t(i)
"""


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
def test_every_row_is_written(tmp_path: Path, suffix: str):
    counted: list[int] = []
    path = tmp_path / f"rows{suffix}"
    rows = write(query(connect(), ROWS), path, counted.append)
    read = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".arrow": pl.read_ipc}[suffix](path)
    assert rows == sum(counted) == read.height == 150_000
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_types_are_kept(tmp_path: Path):
    path = tmp_path / "rows.parquet"
    write(query(connect(), ROWS), path, lambda _: None)
    schema = pq.read_schema(path)
    assert schema.field("amount").type == pa.decimal128(18, 2)
    assert schema.field("placed_at").type == pa.timestamp("us", tz="UTC")
    assert pq.read_table(path, columns=["amount"]).column(0)[1].as_py() == Decimal("1.00")


def test_an_unknown_suffix_is_refused_before_anything_is_read(tmp_path: Path):
    with pytest.raises(DroplessError, match=r"must end with one of \.parquet, \.csv, \.arrow"):
        write(query(connect(), ROWS), tmp_path / "rows.xlsx", lambda _: None)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path):
    with pytest.raises(DroplessError, match="cannot be written"):
        write(query(connect(), ROWS), tmp_path / "none" / "rows.parquet", lambda _: None)


def test_a_query_that_fails_midway_leaves_no_file(tmp_path: Path):
    fails = "select case when i < 100000 then i else cast('x' || i as integer) end from range(150000) t(i)"
    with pytest.raises(DroplessError, match="Could not convert"):
        write(query(connect(), fails), tmp_path / "rows.parquet", lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_sql_mistakes_are_one_sentence():
    with pytest.raises(DroplessError, match="syntax error"):
        query(connect(), "selct 1")


def test_the_nearest_names_are_offered():
    assert nearest("ordrs", ["orders", "invoices"]) == "; did you mean 'orders'?"
    assert nearest("xyz", ["orders", "invoices"]) == "; there are: invoices, orders."
    assert nearest("xyz", []) == ": it has none yet."
