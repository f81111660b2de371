"""Finding the data files of a table that are gone or broken, and saying so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from dropless.errors import DroplessError
from dropless.lake.datafiles import DataFile
from dropless.lake.store import Store

BATCH_ROWS: Final = 16_384
_READERS: Final = 2
# How errors of the object store are told by Arrow and by delta-rs, and those of files by all of them.
_STORE: Final = ("AWS Error", "S3 error", "object store error")
_FILE: Final = ("Parquet", "reading the stream registered")

Progress = Callable[[int, int], None]
"""Told how many files of how many were looked at."""


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
        if breaks(error):
            raise DroplessError(
                f"A data file of the lake is gone or broken; `dropless lake restore TABLE` makes it anew: {told}."
            ) from error
        if isinstance(error, DeltaError | OSError):
            raise Unanswered(f"The lake does not answer, or refused: {told}.") from error
        raise


def breaks(error: Exception) -> bool:
    """Whether it tells of a file that is gone or broken, and not of the store that does not answer."""
    told = str(error)
    if any(store in told for store in _STORE):
        return False
    # Engines wrap what they met. Arrow's errors of the store and of what is in a file are of one class.
    return (
        isinstance(error, FileNotFoundError)
        or any(file in told for file in _FILE)
        or (isinstance(error, OSError) and not error.errno)
    )


def _broken(filesystem: pafs.FileSystem, file: DataFile, *, whole: bool) -> bool:
    try:
        with filesystem.open_input_file(file.path) as source:
            if source.size() != file.bytes:
                return True
            parquet = pq.ParquetFile(source)
            if file.rows is not None and parquet.metadata.num_rows != file.rows:
                return True
            if whole:
                for _ in parquet.iter_batches(BATCH_ROWS):
                    pass
    except pa.ArrowInvalid:
        return True
    except OSError as error:
        if not breaks(error):
            raise
        return True
    return False
