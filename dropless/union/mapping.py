"""The mapping of a source's raw records to unified rows, compiled once from the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from dropless import names
from dropless.contract import Contract
from dropless.desired.schema_registry import field_of
from dropless.union.columns import ColumnMapper, Rejected, column_mapper
from dropless.union.envelope import Malformed, change_reader, key_reader
from dropless.union.outcome import Dead, Mapper, Row

__all__ = ["Dead", "Mapper", "Row", "compile_mapping"]

EPOCH_BITS: Final = 48
"""A position is epoch x 2^48 + raw offset."""


def compile_mapping(contract: Contract, source_name: str) -> Mapper:
    """The mapper of a source's raw topic.

    Raises:
        KeyError: the contract has no such source.
    """
    source = contract.source(source_name)
    read_key, read_change = key_reader(source), change_reader(source)
    columns = [(column.name, field_of(column), column_mapper(column, source)) for column in contract.columns]
    time_field = field_of(contract.column(contract.time_column))
    topic = names.raw_topic(contract.name, source.name)
    first_position = source.epoch << EPOCH_BITS

    def mapper(key: bytes | None, value: bytes | None, partition: int, offset: int) -> Row | Dead | None:
        if value is None:
            return None
        name = None
        try:
            # The value first: a truncation has no key.
            change = read_change(value)
            unified_key = read_key(key)
            row: dict[str, Any] = {
                "_key": unified_key,
                "_source": source_name,
                "_op": change.op,
                "_deleted": change.op == "d",
                "_committed_at_us": change.committed_at_us,
                "_topic": topic,
                "_partition": partition,
                "_offset": offset,
                "_position": first_position + offset,
            }
            if change.op == "d":
                for _, field, fill in columns:
                    row[field] = _if_possible(fill, change.row)
                if row[time_field] is None:
                    row[time_field] = change.committed_at_us
            else:
                for name, field, fill in columns:  # noqa: B007 - read where a column is rejected
                    row[field] = fill(change.row)
        except Malformed as reason:
            return Dead(str(reason))
        except Rejected as reason:
            return Dead(str(reason), name)
        return Row(unified_key.encode(), orjson.dumps(row))

    return mapper


def _if_possible(fill: ColumnMapper, row: Mapping[str, Any]) -> Any:
    # A deletion is never held up by the values of what is deleted.
    try:
        return fill(row) if row else None
    except Rejected:
        return None
