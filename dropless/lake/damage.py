"""Finding the data files of a table that are gone or broken, and saying so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from dropless.errors import DroplessError
from dropless.lake.store import Store

BATCH_ROWS: Final = 16_384
_READERS: Final = 2
# How errors of the object store are told by Arrow and by delta-rs, and those of files by all of them.
_STORE: Final = ("AWS Error", "S3 error", "object store error")
_FILE: Final = ("Parquet", "reading the stream registered")

Progress = Callable[[int, int], None]
"""Told how many files of how many were looked at."""


@dataclass(frozen=True)
class DataFile:
    """A file of one version of a table."""

    path: str
    bytes: int
    rows: int
    partition: Mapping[str, str | None]
    """By partition column its value, as the log spells it."""


def files(table: DeltaTable) -> list[DataFile]:
    """Every data file of a handle's version, by path."""
    cut = table.metadata().partition_columns
    rows = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    found = [
        DataFile(
            row["path"],
            row["size_bytes"],
            row["num_records"] or 0,
            {name: None if (value := row[f"partition.{name}"]) is None else str(value) for name in cut},
        )
        for row in rows
    ]
    return sorted(found, key=lambda each: each.path)


def damaged(
    store: Store, folder: str, among: Sequence[DataFile], *, whole: bool, progress: Progress = lambda *_: None
) -> list[DataFile]:
    """Those files that cannot be read; of each its footer alone is read, or the whole file.

    Raises:
        OSError: the store does not answer.
    """
    found: list[DataFile] = []
    look = partial(_broken, store.filesystem(folder), whole=whole)
    with ThreadPoolExecutor(_READERS) as pool:
        for number, (file, broken) in enumerate(zip(among, pool.map(look, among), strict=True), 1):
            progress(number, len(among))
            if broken:
                found.append(file)
    return found


class Unanswered(DroplessError):
    """The object store does not answer, or refuses; another time it may not."""


@contextmanager
def sentences() -> Iterator[None]:
    """What goes wrong with the lake's files, as one sentence.

    Raises:
        DroplessError: a data file is gone or broken; the sentence says what mends it.
        Unanswered: the store does not answer, or refuses.
    """
    try:
        yield
    except (DeltaError, OSError, pa.ArrowInvalid, duckdb.Error) as error:
        told = " ".join(str(error).split()).rstrip(".")[:300]
        if _of_a_file(error, told):
            raise DroplessError(
                f"A data file of the lake is gone or broken; `dropless lake restore TABLE` makes it anew: {told}."
            ) from error
        if isinstance(error, DeltaError | OSError):
            raise Unanswered(f"The lake does not answer, or refused: {told}.") from error
        raise


def _of_a_file(error: Exception, told: str) -> bool:
    if any(store in told for store in _STORE):
        return False
    # Engines wrap what they met.
    return any(file in told for file in _FILE) or (isinstance(error, OSError) and breaks(error))


def breaks(error: Exception) -> bool:
    """Whether a file that raised this is gone or broken; otherwise it is the store that does not answer."""
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        # Arrow's errors of the store and of what is in a file are of one class.
        return not error.errno and not any(store in str(error) for store in _STORE)
    return isinstance(error, FileNotFoundError | pa.ArrowInvalid)


def _broken(filesystem: pafs.FileSystem, file: DataFile, *, whole: bool) -> bool:
    try:
        with filesystem.open_input_file(file.path) as source:
            if source.size() != file.bytes:
                return True
            parquet = pq.ParquetFile(source)
            if parquet.metadata.num_rows != file.rows:
                return True
            if whole:
                for _ in parquet.iter_batches(BATCH_ROWS):
                    pass
    except (OSError, pa.ArrowInvalid) as error:
        if not breaks(error):
            raise
        return True
    return False
