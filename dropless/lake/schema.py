"""A unified row on the wire and in the lake: the same columns with exact types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.json as pajson

from dropless.contract import Contract
from dropless.contract.column_type import ColumnType, Kind

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
DAY: Final = "_committed_on"
"""The partition column: the UTC day on which the source committed the change."""

SYSTEM: Final = pa.schema(
    [
        pa.field("_key", pa.string(), metadata={"comment": "The row's source and primary key, `<source>:<key>`."}),
        pa.field("_source", pa.string(), metadata={"comment": "The source it comes from."}),
        pa.field("_op", pa.string(), metadata={"comment": "c created, u updated, d deleted, r read by a snapshot."}),
        pa.field("_deleted", pa.bool_(), metadata={"comment": "Whether this change is a deletion."}),
        pa.field("_committed_at", TIMESTAMP, metadata={"comment": "When the source committed the change."}),
        pa.field("_topic", pa.string(), metadata={"comment": "The raw topic of the change."}),
        pa.field("_partition", pa.int32(), metadata={"comment": "The raw partition of the change."}),
        pa.field("_offset", pa.int64(), metadata={"comment": "The raw offset of the change."}),
        pa.field("_position", pa.int64(), metadata={"comment": "Orders the changes of one `_key`, without ties."}),
    ]
)
_PARTITIONED: Final = pa.field(DAY, pa.date32(), metadata={"comment": "The UTC day of `_committed_at`."})

_TYPES: Final = {
    Kind.STRING: pa.string(),
    Kind.INT: pa.int32(),
    Kind.LONG: pa.int64(),
    Kind.DOUBLE: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIMESTAMP: TIMESTAMP,
    Kind.DATE: pa.date32(),
    Kind.JSON: pa.string(),
}


def arrow_type(column: ColumnType) -> pa.DataType:
    """The lake's type of a contract column."""
    if column.kind is Kind.DECIMAL:
        return pa.decimal128(column.precision, column.scale)
    return _TYPES[column.kind]


def row_schema(contract: Contract) -> pa.Schema:
    """The contract's columns, then the system columns."""
    fields = [
        pa.field(column.name, arrow_type(column.type), metadata={"comment": column.description})
        for column in contract.columns
    ]
    return pa.schema([*fields, *SYSTEM])


def changes_schema(contract: Contract) -> pa.Schema:
    """The columns of `<table>_changes`, the partition column last."""
    return row_schema(contract).append(_PARTITIONED)


def comment(field: pa.Field) -> str:
    """What a column means, as its table says."""
    told: bytes = (field.metadata or {}).get(b"comment", b"")
    return told.decode()


def parse(values: Sequence[bytes], schema: pa.Schema) -> pa.Table:
    """Unified rows (JSON objects) as a table of `<table>_changes`; `schema` is its `changes_schema`.

    Raises:
        pyarrow.ArrowInvalid: a value does not fit its column, so it was written under another contract.
    """
    rows = schema.remove(schema.get_field_index(DAY))
    wire = pa.schema([pa.field(_wire_name(field), _wire_type(field.type)) for field in rows])
    data = b"\n".join(values)
    table = pajson.read_json(
        pa.BufferReader(data),
        # One block, or a row longer than the block would be an error.
        read_options=pajson.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pajson.ParseOptions(explicit_schema=wire, unexpected_field_behavior="ignore"),
    )
    columns = [table[_wire_name(field)].cast(field.type) for field in rows]
    days = columns[rows.get_field_index("_committed_at")].cast(pa.date32())
    return pa.table([*columns, days], schema=schema)


def _wire_name(field: pa.Field) -> str:
    return f"{field.name}_us" if pa.types.is_timestamp(field.type) else field.name


def _wire_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.int64()
    if pa.types.is_decimal(kind) or pa.types.is_date(kind):
        return pa.string()
    return kind
