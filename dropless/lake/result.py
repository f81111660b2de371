"""Rows of the lake in the form that a data scientist wants, with their types kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyRelation

from dropless.errors import DroplessError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

BATCH_ROWS = 65_536


class Result:
    """A query that runs when its rows are asked for."""

    def __init__(self, relation: DuckDBPyRelation) -> None:
        self._relation = relation

    @property
    def schema(self) -> pa.Schema:
        """The columns with their types."""
        return self._relation.limit(0).to_arrow_table().schema

    def duckdb(self) -> DuckDBPyRelation:
        """The query as a DuckDB relation, to be refined further."""
        return self._relation

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows in batches of about so many: for more than fits into memory."""
        with sentences():
            reader = self._relation.to_arrow_reader(rows)
        try:
            while True:
                # Only the reading: what goes wrong with a batch that was handed out is its taker's.
                with sentences():
                    batch = next(reader, None)
                if batch is None:
                    return
                yield batch
        finally:
            reader.close()

    def to_arrow(self) -> pa.Table:
        """The rows as a PyArrow table."""
        with sentences():
            return self._relation.to_arrow_table()

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame with Arrow types: integers with nulls stay integers, decimals exact."""
        return pandas(self.to_arrow())

    def to_polars(self) -> pl.DataFrame:
        """The rows as a Polars frame."""
        return polars(self.to_arrow())

    def __repr__(self) -> str:
        """The first rows, as DuckDB prints them."""
        return repr(self._relation)


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """What an engine says of a query, as one sentence.

    Raises:
        DroplessError: the query is wrong, met a value that it cannot handle, or lost the object store.
        KeyboardInterrupt: it was interrupted.
    """
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        # DuckDB takes Ctrl-C for itself, and tells of it in one way or the other.
        if isinstance(error, RuntimeError) and str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from None
    except (duckdb.Error, OSError) as error:
        # Or as a failure of the dataset that it was reading.
        if str(error).rstrip().endswith("failed: KeyboardInterrupt:"):
            raise KeyboardInterrupt from None
        raise DroplessError(" ".join(str(error).split())) from None


def pandas(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a pandas frame with Arrow types."""
    import pandas as pd  # noqa: PLC0415 - half a second that many never need

    return table.to_pandas(types_mapper=pd.ArrowDtype)


def polars(table: pa.Table) -> pl.DataFrame:
    """An Arrow table as a Polars frame."""
    import polars as pl  # noqa: PLC0415 - the same

    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("an Arrow table became no frame")
    return frame
