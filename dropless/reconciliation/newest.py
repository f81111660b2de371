"""The newest state of every key, as Pinot and as the lake tell it, in the same exact values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
from deltalake import DeltaTable

from dropless import names, pinot
from dropless.contract import Column, Contract
from dropless.contract.column_type import Kind
from dropless.endpoints import Endpoints
from dropless.lake.client import Lake
from dropless.lake.store import Store

Row = dict[str, Any]
"""A unified row by column: str, int, float, bool, Decimal, date, datetime in UTC, or None; JSON as compact text."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def in_pinot(endpoints: Endpoints, contract: Contract, timeout_seconds: float = 60) -> dict[str, Row]:
    """The rows of a table in Pinot by key, deleted ones left out; timestamps have milliseconds there.

    Raises:
        DroplessError: Pinot does not answer in full.
    """
    columns = ", ".join(selected(column) for column in contract.columns)
    # Without the option a NULL is shown as the value that Pinot stores in its place.
    query = (
        f'set enableNullHandling = true; select "_key", {columns} from "{contract.name}" '  # noqa: S608
        f'where "_deleted" = false limit {pinot.UNLIMITED}'
    )
    return {
        key: {column.name: _value(column, value) for column, value in zip(contract.columns, values, strict=True)}
        for key, *values in pinot.select(endpoints, query, timeout_seconds).rows
    }


def in_lake(endpoints: Endpoints, contract: Contract) -> dict[str, Row]:
    """The rows of a table by key, deleted ones left out: what is merged, and every change since.

    Raises:
        DroplessError: the store does not answer, or the table is not there.
    """
    table = Lake(Store.reader(endpoints)).table(contract.name).now()
    return as_rows(table.to_arrow(["_key", *(column.name for column in contract.columns)]))


def as_rows(found: pa.Table) -> dict[str, Row]:
    """Rows of the lake by key."""
    return {row.pop("_key"): {name: _utc(value) for name, value in row.items()} for row in found.to_pylist()}


def repeated_in_lake(endpoints: Endpoints, contract: Contract) -> int:
    """How many changes the lake holds more than once, told by the raw record they came from."""
    origins = _changes(endpoints, contract).to_pyarrow_table(columns=["_topic", "_partition", "_offset"])
    distinct = origins.group_by(origins.column_names).aggregate([]).num_rows
    return int(origins.num_rows - distinct)


def _changes(endpoints: Endpoints, contract: Contract) -> DeltaTable:
    store = Store.reader(endpoints)
    return DeltaTable(store.uri(names.changes_table(contract.name)), storage_options=store.delta_options())


def selected(column: Column) -> str:
    """A column in Pinot's select list; a timestamp as a number, since its text depends on the server's zone."""
    return f'cast("{column.name}" as long)' if column.type.kind is Kind.TIMESTAMP else f'"{column.name}"'


def _value(column: Column, value: Any) -> Any:
    if value is None:
        return None
    match column.type.kind:
        case Kind.TIMESTAMP:
            return _moment(int(value))
        case Kind.DECIMAL:
            return Decimal(str(value))
        case Kind.DATE:
            return date.fromisoformat(value)
        case Kind.JSON:
            return _compact(value)
        case Kind.BOOLEAN:
            return value in (True, "true", 1)
        case Kind.DOUBLE:
            return float(value)
        case _:
            return value


def _compact(text: str) -> str:
    # Pinot writes JSON anew; numbers keep their text, so that 1.0 is not 1.
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def differences(expected: dict[str, Row], found: dict[str, Row], *, milliseconds: bool = False) -> Iterator[str]:
    """A sentence for every key that is missing or not expected, and for every value that is not equal.

    Args:
        expected: the rows as they should be.
        found: the rows as they are.
        milliseconds: whether `found` keeps timestamps to the millisecond only.
    """
    for key in expected.keys() - found.keys():
        yield f"{key} is missing"
    for key in found.keys() - expected.keys():
        yield f"{key} should not be there"
    for key in expected.keys() & found.keys():
        for name, value in expected[key].items():
            wanted = _cut(value) if milliseconds else value
            actual = found[key][name]
            if type(actual) is not type(wanted) or actual != wanted:
                yield f"{key}: {name} is {actual!r}, not {wanted!r}"


def _cut(value: Any) -> Any:
    """A moment as Pinot keeps it: milliseconds since 1970, cut toward zero."""
    if not isinstance(value, datetime):
        return value
    microseconds = (value - _EPOCH) // _MICROSECOND
    milliseconds = abs(microseconds) // 1000
    return _EPOCH + timedelta(milliseconds=milliseconds if microseconds >= 0 else -milliseconds)


def _moment(milliseconds: int) -> datetime | int:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return milliseconds
