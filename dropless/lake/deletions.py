"""Every deletion that was merged: the key is gone from `<table>`, and a late older change must not bring it back.

A deletion is true whether or not the merge that wrote it comes to its end, so this table is written before
the merge commits, and may hold one deletion several times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.dataset as pads
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import TableNotFoundError

from dropless import names
from dropless.lake.datafiles import DataFile
from dropless.lake.deltalog import OPERATION, RESTORE
from dropless.lake.scan import live
from dropless.lake.schema import SYSTEM
from dropless.lake.store import Store

BATCH_ROWS: Final = 65_536
SCHEMA: Final = pa.schema([SYSTEM.field(name) for name in ("_key", "_position", "_committed_at")])


class Deletions:
    """The deletions of one table as they are now."""

    def __init__(self, store: Store, table: str, *, patient: bool = True) -> None:
        """Open them; a table of which nothing was deleted has none.

        Raises:
            OSError | DeltaError: the store does not answer.
        """
        self._store = store
        self._name = names.deletions_table(table)
        self._options = store.delta_options(patient=patient)
        try:
            self._table: DeltaTable | None = DeltaTable(store.uri(self._name), storage_options=self._options)
        except TableNotFoundError:
            self._table = None

    def dataset(self) -> pads.Dataset | None:
        """Keys and the positions at which they were deleted; None where there are none."""
        if self._table is None:
            return None
        return live(self._store, self._name, self._table)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The keys and positions, batch by batch."""
        dataset = self.dataset()
        if dataset is not None:
            yield from dataset.to_batches(columns=["_key", "_position"], batch_size=BATCH_ROWS, fragment_readahead=2)

    def add(self, rows: pa.Table | pa.RecordBatchReader) -> None:
        """Note deletions.

        Raises:
            OSError | DeltaError: the store does not answer.
        """
        write_deltalake(
            self._store.uri(self._name),
            rows.select(SCHEMA.names) if isinstance(rows, pa.Table) else rows,
            mode="append",
            storage_options=self._options,
            writer_properties=WriterProperties(compression="ZSTD", compression_level=1),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )

    def add_all(self, changes: pads.Dataset) -> None:
        """Note every deletion among some changes, of which not all may fit into memory.

        Raises:
            OSError | DeltaError: the store does not answer.
        """
        deleted = pads.field("_deleted")
        if changes.count_rows(filter=deleted):
            found = changes.scanner(columns=SCHEMA.names, filter=deleted, batch_size=BATCH_ROWS)
            self.add(found.to_reader())

    def restore(self, broken: Sequence[DataFile], changes: pads.Dataset) -> None:
        """Note every deletion among all changes, and take broken files out.

        Most are there already, and so are some that are not merged yet: neither matters.

        Raises:
            OSError | DeltaError: the store does not answer.
        """
        self.add_all(changes)
        table = DeltaTable(self._store.uri(self._name), storage_options=self._options)
        table.create_write_transaction(
            [each.remove(data_change=True) for each in broken],
            "append",
            table.schema(),
            commit_properties=CommitProperties(custom_metadata={OPERATION: RESTORE}),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )
