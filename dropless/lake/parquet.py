"""Data files of a Delta table as we write them: compressed, a row group at a time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import ColumnProperties, WriterProperties
from deltalake.transaction import AddAction

ROW_GROUP = 131_072
COMPRESSION = "zstd"
COMPRESSION_LEVEL = 1
_SAMPLE = 8192


@dataclass(frozen=True)
class Written:
    """A file that exists and is in no table yet."""

    path: str
    rows: int
    bytes: int
    stats: dict[str, Any]

    def action(self, *, data_change: bool, partition: Mapping[str, str | None] | None = None) -> AddAction:
        """What adds it to a table; without a change of data where it holds only rows that were there before."""
        stats = orjson.dumps(self.stats).decode()
        return AddAction(self.path, self.bytes, dict(partition or {}), int(time.time() * 1000), data_change, stats)


def write(
    filesystem: pafs.FileSystem, schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: str | None = None
) -> Written | None:
    """Write batches into a new file, a row group at a time; None without rows."""
    path = path or f"part-{uuid.uuid4()}.parquet"
    collected: list[Any] = []
    rows = 0
    groups = _groups(schema, batches)
    first = next(groups, None)
    if first is None:
        return None
    with (
        filesystem.open_output_stream(path) as sink,
        pq.ParquetWriter(
            sink,
            schema,
            compression=COMPRESSION,
            compression_level=COMPRESSION_LEVEL,
            metadata_collector=collected,
            use_dictionary=_repetitive(first),
        ) as writer,
    ):
        for group in _chain(first, groups):
            writer.write_table(group, row_group_size=ROW_GROUP)
            rows += group.num_rows
    size = filesystem.get_file_info(path).size
    return Written(path, rows, size, statistics(collected[0], schema, rows))


def statistics(metadata: Any, schema: pa.Schema, rows: int) -> dict[str, Any]:
    """A file's statistics as Delta's log has them, without bounds: those are in the file's own footer.

    delta-rs takes a bound that is missing, or a decimal that it cannot read, for null and skips the file whenever
    that column is filtered; only where no column has bounds it reads right.
    """
    nulls = {}
    for index, field in enumerate(schema):
        columns = [metadata.row_group(number).column(index).statistics for number in range(metadata.num_row_groups)]
        if all(each is not None and each.has_null_count for each in columns):
            nulls[field.name] = sum(each.null_count for each in columns)
    return {"numRecords": rows, "nullCount": nulls}


def writer_properties(rows: pa.Table) -> WriterProperties:
    """How delta-rs is to write such rows: as we do (`COMPRESSION` is spelled otherwise there)."""
    repetitive = _repetitive(rows)
    plain = ColumnProperties(dictionary_enabled=False)
    return WriterProperties(
        compression="ZSTD",
        compression_level=COMPRESSION_LEVEL,
        column_properties={name: plain for name in rows.schema.names if name not in repetitive},
    )


def _repetitive(rows: pa.Table) -> list[str]:
    """The text columns with few values: for others a dictionary doubles the time of writing and saves nothing."""
    sample = rows.slice(0, _SAMPLE)
    return [
        field.name
        for field in rows.schema
        if pa.types.is_string(field.type)
        and pc.count_distinct(sample[field.name]).as_py() * 16 <= max(sample.num_rows, 64)
    ]


def _groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    gathered: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if batch.num_rows:
            gathered.append(batch)
            rows += batch.num_rows
        if rows >= ROW_GROUP:
            yield pa.Table.from_batches(gathered, schema)
            gathered, rows = [], 0
    if gathered:
        yield pa.Table.from_batches(gathered, schema)


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest
