"""Query results as files: Parquet, CSV or Arrow, written batch by batch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from dropless.errors import DroplessError
from dropless.lake.result import Result

FORMATS: dict[str, Callable[[Path, pa.Schema], Any]] = {
    ".parquet": lambda path, schema: pq.ParquetWriter(path, schema, compression="zstd"),
    ".csv": pacsv.CSVWriter,
    ".arrow": pa.ipc.new_file,
}


def write(result: Result, path: Path, on_rows: Callable[[int], None]) -> int:
    """Write a result into a file whose suffix tells its format; the number of rows.

    The file appears when it is whole.

    Raises:
        DroplessError: the suffix is unknown, or the file cannot be written.
    """
    make = FORMATS.get(path.suffix.lower())
    if make is None:
        raise DroplessError(f"{path} must end with one of {', '.join(FORMATS)}.")
    rows = 0
    try:
        with _whole(path) as fresh, make(fresh, result.schema) as writer:
            for batch in result.batches():
                writer.write_batch(batch)
                rows += batch.num_rows
                on_rows(batch.num_rows)
    except OSError as error:
        raise DroplessError(f"{path} cannot be written: {error.strerror or error}.") from None
    return rows


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
