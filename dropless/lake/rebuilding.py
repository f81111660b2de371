"""Making the current state anew from all changes: for one that cannot be merged on, since a file of it is broken.

The new files are written beside the old ones, and one commit swaps them: readers see the one or the other, and time
travel still goes back to what was there, as far as it can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from dropless import names
from dropless.errors import DroplessError
from dropless.lake.current import register_computed
from dropless.lake.deletions import Deletions
from dropless.lake.deltalog import OPERATION, added
from dropless.lake.engine import bounded, quoted
from dropless.lake.merged import MERGED_UNTIL, MergedTable
from dropless.lake.parquet import Written, write
from dropless.lake.pending import pending, row_schema
from dropless.lake.scan import live, of_files
from dropless.lake.store import Store

ATTEMPTS: Final = 5
FILE_ROWS: Final = 1_000_000
BATCH_ROWS: Final = 65_536


def rebuild(store: Store, table: str) -> int:
    """Make the current state of a table anew; its rows.

    Raises:
        DroplessError: the lake has no changes of such a table, or merges were first again and again.
        OSError | DeltaError: the store does not answer, or a file of the changes is broken, too.
    """
    folder = names.changes_table(table)
    try:
        changes = DeltaTable(store.uri(folder), storage_options=store.delta_options())
    except TableNotFoundError:
        raise DroplessError(f"The lake has no table {folder!r}, of which {table!r} could be made.") from None
    for _ in range(ATTEMPTS):
        target = MergedTable(store, table, changes, row_schema(changes))
        written = _write(store, table, folder, changes, target.schema)
        # Noted as a merge notes them, whose work this does: a change that comes late must not bring them back.
        waiting = pending(store, folder, changes, target.progress())
        Deletions(store, table).add_all(of_files(store, folder, waiting.files, row_schema(changes)))
        newest = next(added(store.filesystem(folder), changes.version() - 1, changes.version()))
        about = {OPERATION: "rebuild", MERGED_UNTIL: newest.timestamp}
        try:
            target.commit(written, target.files(), changes.version(), about)
        except CommitFailedError:
            changes.update_incremental()
            continue
        return sum(each.rows for each in written)
    raise DroplessError(f"Others wrote to the lake's {table!r} again and again: try again when no merge runs.")


def _write(store: Store, table: str, folder: str, changes: DeltaTable, schema: pa.Schema) -> list[Written]:
    with bounded() as database:
        register_computed(database, "computed", live(store, folder, changes))
        columns = ", ".join(quoted(name) for name in schema.names)
        rows = database.sql(f"select {columns} from computed").to_arrow_reader(BATCH_ROWS)  # noqa: S608 - quoted
        batches = (batch.cast(schema) for batch in rows)
        files = []
        while (made := write(store.filesystem(table), schema, _some(batches))) is not None:
            files.append(made)
        return files


def _some(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows = 0
    while rows < FILE_ROWS and (batch := next(batches, None)) is not None:
        rows += batch.num_rows
        yield batch
