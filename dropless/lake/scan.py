"""A Delta table's data files as one Arrow dataset, skipped by the statistics in the files themselves.

Not `DeltaTable.to_pyarrow_dataset`: it turns a bound that is not in the log, or that it cannot read (a decimal of
more than 15 digits), into a comparison with null, so that a filter on that column silently leaves the file out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as pads
from deltalake import DeltaTable

from dropless.lake.store import Store

ALL_AT_ONCE: Final = {"batch_size": 131_072, "batch_readahead": 16, "fragment_readahead": 4}
"""Arrow's own measure: where all rows are to be in memory anyway."""


class FewAtOnce(pads.FileSystemDataset):  # type: ignore[misc]  # pyarrow has no types
    """A dataset that reads little ahead, whoever scans it.

    Arrow's own measure takes memory by the gigabyte where rows are wide, and DuckDB, which asks for the scanner, has no
    setting for it.
    """

    def scanner(self, **options: Any) -> pads.Scanner:
        """Arrow's scanner, with small batches and few of them ahead."""
        return super().scanner(**{"batch_size": 16_384, "batch_readahead": 4, "fragment_readahead": 1} | options)


def live(store: Store, folder: str, table: DeltaTable) -> pads.Dataset:
    """What a handle's version of the table in `folder` holds."""
    paths = pa.table(table.get_add_actions())["path"].to_pylist()
    return of_files(store, folder, paths, pa.schema(table.schema().to_arrow()), table.metadata().partition_columns)


def of_files(
    store: Store, folder: str, files: Sequence[str], schema: pa.Schema, partitioned: Sequence[str] = ()
) -> pads.Dataset:
    """Some data files of a table; a column that a file does not have is null in it."""
    if not files:
        return pads.dataset(schema.empty_table())
    partitioning = pads.partitioning(pa.schema([schema.field(name) for name in partitioned]), flavor="hive")
    found = pads.dataset(
        list(files),
        schema=schema,
        format="parquet",
        filesystem=store.filesystem(folder),
        partitioning=partitioning if partitioned else None,
    )
    return FewAtOnce(list(found.get_fragments()), schema, found.format, found.filesystem)
