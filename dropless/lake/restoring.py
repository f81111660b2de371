"""Writing broken files of the changes anew, from the unified topic that still has every row of them.

Which rows a broken file held is not asked of the file: of the days that it and others like it were of, every row of the
topic up to the table's positions belongs to the table, so what no readable file of these days has was in them. The new
files take the place of the broken ones in one commit, which says that it restores, so that a merge which has yet to
read a broken file reads the new ones instead.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction
from duckdb import DuckDBPyConnection

from dropless.errors import DroplessError
from dropless.fault_points import pass_by
from dropless.lake.datafiles import DataFile, files
from dropless.lake.deltalog import OPERATION, RESTORE
from dropless.lake.engine import connect, quoted
from dropless.lake.fault_points import Point, Reached
from dropless.lake.parquet import Written, write
from dropless.lake.scan import of_files
from dropless.lake.schema import DAY, parse
from dropless.lake.store import Store

ATTEMPTS: Final = 5
ROWS_AT_ONCE: Final = 20_000_000
"""The hashes of so many rows are in memory at once; where there are more, the topic is read several times."""
FILE_BYTES: Final = 64 * 1024 * 1024
"""A new file holds rows of so many bytes in memory."""
BATCH_ROWS: Final = 65_536
_APPLICATION: Final = "dropless:restore"

Records = Callable[[], Iterable[Sequence[bytes]]]
"""Reads all unified rows up to the table's positions, some at a time; it may be called again."""


class Restoration:
    """Restores some files of one version of a table of changes."""

    def __init__(
        self, store: Store, folder: str, changes: DeltaTable, broken: Sequence[DataFile], reached: Reached = pass_by
    ) -> None:
        self._store = store
        self._folder = folder
        self._changes = changes
        self._broken = broken
        self._reached = reached
        self._days = sorted({day for each in broken if (day := each.partition[DAY]) is not None})
        lost = {each.path for each in broken}
        self._kept = [each for each in files(changes) if each.partition[DAY] in self._days and each.path not in lost]
        schema = pa.schema(changes.schema().to_arrow())
        day = schema.get_field_index(DAY)
        self._rows = schema.remove(day)
        self._schema = self._rows.append(schema.field(day))

    def run(self, records: Records, rows_at_once: int = ROWS_AT_ONCE) -> int:
        """Write the rows that no readable file has, and swap the files; how many rows.

        Raises:
            DroplessError: the topic lacks some of them, or the table was changed again and again.
            OSError | DeltaError: the store does not answer.
        """
        passes = max(1, -(-sum(each.rows or 0 for each in self._kept) // rows_at_once))
        made: list[tuple[Written, str]] = []
        with connect() as database:
            for number in range(passes):
                hashes = _Hashes(database, self._rows, passes, number)
                hashes.hold(self._readable())
                made += self._write(hashes.missing(self._of_days(records())))
        rows, lost = sum(each.rows for each, _ in made), sum(each.rows or 0 for each in self._broken)
        if rows < lost:
            raise DroplessError(
                f"Of {lost:,} rows in broken files of {self._folder!r} {lost - rows:,} are no longer in the unified "
                "topic: nothing was changed."
            )
        self._reached(Point.BEFORE_COMMIT)
        self._swap([each.action(data_change=False, partition={DAY: day}) for each, day in made])
        self._reached(Point.AFTER_COMMIT)
        return rows

    def _readable(self) -> Iterator[pa.RecordBatch]:
        found = of_files(self._store, self._folder, [each.path for each in self._kept], self._rows)
        yield from found.to_batches(batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1)

    def _of_days(self, records: Iterable[Sequence[bytes]]) -> Iterator[pa.Table]:
        days = pa.array([date.fromisoformat(day) for day in self._days], pa.date32())
        for values in records:
            rows = parse(values, self._schema)
            yield rows.filter(pc.is_in(rows[DAY], days))

    def _write(self, missing: Iterable[pa.Table]) -> Iterator[tuple[Written, str]]:
        gathered: dict[str, list[pa.Table]] = {}
        for rows in missing:
            for day in pc.unique(rows[DAY]).to_pylist():
                parts = gathered.setdefault(day.isoformat(), [])
                parts.append(rows.filter(pc.equal(rows[DAY], day)).drop_columns([DAY]))
                if sum(part.nbytes for part in parts) >= FILE_BYTES:
                    yield from self._file(day.isoformat(), gathered.pop(day.isoformat()))
        for day, parts in gathered.items():
            yield from self._file(day, parts)

    def _file(self, day: str, parts: Sequence[pa.Table]) -> Iterator[tuple[Written, str]]:
        batches = pa.concat_tables(parts).to_batches(BATCH_ROWS)
        path = f"{DAY}={day}/part-{uuid.uuid4()}.parquet"
        if written := write(self._store.filesystem(self._folder), self._rows, batches, path):
            yield written, day

    def _swap(self, added: Sequence[AddAction]) -> None:
        changes, removed = self._changes, [each.remove(data_change=False) for each in self._broken]
        for _ in range(ATTEMPTS):
            try:
                changes.create_write_transaction(
                    [*added, *removed],
                    "append",
                    changes.schema(),
                    partition_by=[DAY],
                    commit_properties=CommitProperties(
                        app_transactions=[Transaction(_APPLICATION, int(changes.version()))],
                        custom_metadata={OPERATION: RESTORE},
                    ),
                    post_commithook_properties=PostCommitHookProperties(
                        create_checkpoint=True, cleanup_expired_logs=False
                    ),
                )
            except CommitFailedError:
                changes = DeltaTable(self._store.uri(self._folder), storage_options=self._store.delta_options())
                if not {each.path for each in self._broken} <= {each.path for each in files(changes)}:
                    raise DroplessError(f"Somebody else has just mended {self._folder!r}.") from None
            else:
                return
        raise DroplessError(f"Others changed the lake's {self._folder!r} again and again: try again later.")


class _Hashes:
    """The rows that readable files have, as a multiset of hashes; of one pass out of several."""

    def __init__(self, database: DuckDBPyConnection, schema: pa.Schema, passes: int, number: int) -> None:
        self._database = database
        self._hash = f"hash({', '.join(quoted(name) for name in schema.names)})"
        self._names = schema.names
        self._passes, self._pass = np.uint64(passes), np.uint64(number)
        self._values = np.empty(0, np.uint64)
        self._left = np.empty(0, np.int64)

    def hold(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Take the rows of readable files."""
        found = [self._mine(of) for batch in batches if len(of := self._of(batch))]
        if found:
            self._values, self._left = np.unique(np.concatenate(found), return_counts=True)

    def missing(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Those rows that are not held; one that is held twice is taken off twice."""
        for rows in tables:
            if not rows.num_rows:
                continue
            hashes = self._of(rows.select(self._names))
            places = np.searchsorted(self._values, hashes)
            within = np.minimum(places, max(0, len(self._values) - 1))
            known = self._values[within] == hashes if len(self._values) else np.zeros(len(hashes), np.bool_)
            earlier = pd.Series(hashes).groupby(hashes).cumcount().to_numpy()
            held = known.copy()
            held[known] = earlier[known] < self._left[places[known]]
            np.subtract.at(self._left, places[held], 1)
            yield rows.filter(pa.array(~held & (hashes % self._passes == self._pass)))

    def _mine(self, hashes: np.ndarray) -> np.ndarray:
        mine: np.ndarray = hashes[hashes % self._passes == self._pass]
        return mine

    def _of(self, rows: pa.Table | pa.RecordBatch) -> np.ndarray:
        self._database.register("hashed", rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows]))
        hashed = self._database.sql(f"select {self._hash} as hash from hashed")  # noqa: S608 - quoted
        return np.array(hashed.fetchnumpy()["hash"], dtype=np.uint64)
