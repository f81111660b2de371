"""Giving a Delta table's columns wider types, with its rows.

Parquet files of two types side by side are readable with a table feature only that few readers know. So the rows are
written anew, in one commit: whoever reads an older version goes on reading it, and positions stay.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import structlog
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake

from dropless.lake.schema import DAY
from dropless.lake.store import Store

log = structlog.get_logger()

WIDENED = "dropless.widened"
"""Stands in the commit that wrote a table anew, with its columns."""
BATCH_ROWS = 64_000


def widens(before: pa.DataType, after: pa.DataType) -> bool:
    """Whether every value of one lake type is one of another: as the contract's `widens`, of Arrow's types."""
    if pa.types.is_decimal(before) and pa.types.is_decimal(after):
        scale, whole = after.scale - before.scale, after.precision - after.scale - before.precision + before.scale
        return bool(scale >= 0 and whole >= 0)
    return bool(pa.types.is_int32(before) and pa.types.is_int64(after))


def widen(store: Store, name: str, columns: dict[str, pa.DataType]) -> None:
    """Write a table anew with these types of some of its columns; memory stays bounded.

    Whatever another writer appends meanwhile stays, and is written anew in its turn.

    Raises:
        CommitFailedError: another writer changed the table's schema or files meanwhile.
        OSError | DeltaError: the store does not answer.
    """
    alone = False
    while not alone:
        table = DeltaTable(store.uri(name), storage_options=store.delta_options())
        version = table.version()
        log.info("writing the lake table anew with wider columns", table=name, columns=sorted(columns))
        schema = pa.schema(
            [each.with_type(columns.get(each.name, each.type)) for each in pa.schema(table.schema().to_arrow())]
        )
        write_deltalake(
            table,
            pa.RecordBatchReader.from_batches(schema, _rows(store, name, table, schema)),
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=[DAY] if DAY in schema.names else None,
            writer_properties=WriterProperties(compression="ZSTD", compression_level=1),
            commit_properties=CommitProperties(custom_metadata={WIDENED: ",".join(sorted(columns))}),
        )
        alone = table.version() == version + 1


def _rows(store: Store, name: str, table: DeltaTable, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    dataset = table.to_pyarrow_dataset(filesystem=store.filesystem(name))
    for batch in dataset.to_batches(batch_size=BATCH_ROWS):
        columns = [batch.column(each.name).cast(each.type) for each in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
