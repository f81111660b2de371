"""Finding which files of the current state hold some keys, and writing files that take their place.

Memory is bounded by the newest changes of one round, and a row group per file written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dropless.lake.datafiles import DataFile
from dropless.lake.deletions import Deletions
from dropless.lake.engine import connect
from dropless.lake.merged import KEY, POSITION
from dropless.lake.parquet import Written, write
from dropless.lake.scan import of_files
from dropless.lake.store import Store

FOLD_BYTES: Final = 8 * 1024 * 1024
"""New keys go into the smallest file while it is smaller than this, else into a new one."""
FILE_BYTES: Final = 64 * 1024 * 1024
"""A new file holds rows of so many bytes in memory: small enough that several are written at once."""
BATCH_ROWS: Final = 65_536
_WRITERS: Final = 2


@dataclass(frozen=True)
class Found:
    """Newest changes of some keys, and where the current state has those keys."""

    rows: pa.Table
    places: pa.Array
    """For each row the number of the file with its key; null where the key is new."""
    read: int


class Rewriting:
    """The files of one version of the current state."""

    def __init__(self, store: Store, table: str, files: Sequence[DataFile], schema: pa.Schema) -> None:
        self._store = store
        self._table = table
        self._files = files
        self._schema = schema

    def locate(self, part: pa.Table) -> Found:
        """The newest change of each key, without those that are older than what is merged already."""
        newest = _newest(part)
        keys = newest[KEY].combine_chunks()

        def look(number: int) -> pa.Table:
            scan = self._scan(self._files[number], [KEY, POSITION])
            found = [batch.filter(pc.is_in(batch.column(0), keys)) for batch in scan]
            table = pa.Table.from_batches(found, pa.schema([self._schema.field(KEY), self._schema.field(POSITION)]))
            return table.append_column("file", pa.repeat(pa.scalar(number, pa.int32()), table.num_rows))

        with ThreadPoolExecutor(_WRITERS) as pool:
            held = pa.concat_tables([*pool.map(look, range(len(self._files))), _NO_PLACES])
        gone = pa.Table.from_batches(
            [batch.filter(pc.is_in(batch.column(0), keys)) for batch in Deletions(self._store, self._table).batches()],
            _NO_PLACES.schema.remove(2),
        )
        with connect() as database:
            numbered = newest.select([KEY, POSITION]).append_column("row", pa.array(range(newest.num_rows)))
            for name, table in (("newest", numbered), ("held", held), ("gone", gone)):
                database.register(name, table)
            chosen = database.sql("""
                select row, file from newest
                left join (select _key, max(_position) as held_at, max(file) as file from held group by 1) using (_key)
                left join (select _key, max(_position) as gone_at from gone group by 1) using (_key)
                where coalesce(held_at < _position, true) and coalesce(gone_at <= _position, true) order by row
            """).to_arrow_table()
        return Found(newest.take(chosen["row"]), chosen["file"].combine_chunks(), newest.num_rows)

    def rewrite(self, found: Found) -> tuple[list[Written], list[DataFile]]:
        """Files that take the place of those whose rows change, and the files that they replace."""
        kept = pc.invert(found.rows["_deleted"])
        fresh = found.rows.filter(pc.and_(kept, pc.is_null(found.places)))
        touched = sorted(number for number in pc.unique(found.places).to_pylist() if number is not None)
        fold = _fold(self._files, touched) if fresh.num_rows else None

        def replaced(number: int) -> Written | None:
            here = pc.fill_null(pc.equal(found.places, number), False)
            drop = found.rows.filter(here)[KEY].combine_chunks()
            rows = [found.rows.filter(pc.and_(here, kept))]
            if number == fold:
                rows.append(fresh)
            return write(filesystem, self._schema, self._without(self._files[number], drop, rows))

        filesystem = self._store.filesystem(self._table)
        numbers = touched if fold is None or fold in touched else [*touched, fold]
        with ThreadPoolExecutor(_WRITERS) as pool:
            written = list(pool.map(replaced, numbers))
            if fresh.num_rows and fold is None:
                written += pool.map(lambda rows: write(filesystem, self._schema, rows), _split(fresh))
        return [each for each in written if each is not None], [self._files[number] for number in numbers]

    def _without(self, file: DataFile, keys: pa.Array, more: Sequence[pa.Table]) -> Iterator[pa.RecordBatch]:
        for batch in self._scan(file):
            gone = pc.is_in(batch.column(self._schema.get_field_index(KEY)), keys)
            yield batch.filter(pc.invert(gone)) if len(keys) else batch
        for table in more:
            yield from table.to_batches(BATCH_ROWS)

    def _scan(self, file: DataFile, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        scan = of_files(self._store, self._table, [file.path], self._schema)
        return iter(scan.to_batches(columns=columns, batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1))


_NO_PLACES: Final = pa.schema([(KEY, pa.string()), (POSITION, pa.int64()), ("file", pa.int32())]).empty_table()


def _newest(part: pa.Table) -> pa.Table:
    """The newest change of every key."""
    with connect() as database:
        rows = part.select([KEY, POSITION]).append_column("row", pa.array(range(part.num_rows)))
        database.register("part", rows)
        chosen = database.sql("select arg_max(row, _position) as row from part group by _key order by row")
        return part.take(chosen.to_arrow_table()["row"])


def _split(rows: pa.Table) -> list[list[pa.RecordBatch]]:
    """The rows of each new file."""
    count = max(1, -(-rows.nbytes // FILE_BYTES))
    size = -(-rows.num_rows // count)
    return [rows.slice(start, size).to_batches(BATCH_ROWS) for start in range(0, rows.num_rows, size)]


def _fold(files: Sequence[DataFile], touched: Sequence[int]) -> int | None:
    """The file that takes new keys: one that is written anyway, if it is small enough, else the smallest."""
    small = [number for number, each in enumerate(files) if each.bytes < FOLD_BYTES]
    if not small:
        return None
    return min(small, key=lambda number: (number not in touched, files[number].bytes))
