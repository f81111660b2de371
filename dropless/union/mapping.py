"""The mapping of a source's raw records to unified rows, compiled once from the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from dropless import names
from dropless.contract import Contract, SchemaPolicy, Source
from dropless.contract.problems import printable
from dropless.union.columns import LONGEST_SHOWN, ColumnMapper, Rejected, column_mapper
from dropless.union.envelope import Malformed, change_reader, key_reader
from dropless.union.outcome import Dead, Mapper, Row
from dropless.union.shortcut import shortcut

__all__ = ["Dead", "Mapper", "Row", "compile_mapping", "plain_mapping"]

EPOCH_BITS: Final = 48
"""A position is epoch x 2^48 + raw offset."""
SYSTEM_FIELDS: Final = (
    "_key",
    "_source",
    "_op",
    "_deleted",
    "_committed_at_us",
    "_topic",
    "_partition",
    "_offset",
    "_position",
)


def compile_mapping(contract: Contract, source_name: str) -> Mapper:
    """The mapper of a source's raw topic.

    Raises:
        KeyError: the contract has no such source.
    """
    source = contract.source(source_name)
    plain = plain_mapping(contract, source_name)
    return shortcut(plain, contract, source, fields(contract), source.epoch << EPOCH_BITS)


def fields(contract: Contract) -> tuple[str, ...]:
    """A unified row's fields, in their order."""
    return (*SYSTEM_FIELDS, *(column.field for column in contract.columns))


def plain_mapping(contract: Contract, source_name: str) -> Mapper:
    """What the mapping means, for any record whatever; the shortcut must give the same."""
    source = contract.source(source_name)
    read_key, read_change = key_reader(source), change_reader(source)
    fills = [column_mapper(column, source) for column in contract.columns]
    row_fields = fields(contract)
    time = [column.name for column in contract.columns].index(contract.time_column)
    topic = names.raw_topic(contract.name, source.name)
    first_position = source.epoch << EPOCH_BITS
    quarantine = contract.policy(source) is SchemaPolicy.QUARANTINE

    def mapper(key: bytes | None, value: bytes | None, partition: int, offset: int) -> Row | Dead | None:
        if value is None:
            return None
        try:
            # The value first: a truncation has no key.
            op, row, committed_at_us = read_change(value)
            unified_key = read_key(key)
            deleted = op == "d"
            if deleted:
                columns = [_if_possible(fill, row) for fill in fills]
                if columns[time] is None:
                    columns[time] = committed_at_us
            else:
                if quarantine:
                    _only_known(row, source)
                columns = [fill(row) for fill in fills]
        except Malformed as reason:
            return Dead(str(reason))
        except Rejected as reason:
            return Dead(str(reason), reason.column)
        position = first_position + offset
        system = (unified_key, source_name, op, deleted, committed_at_us, topic, partition, offset, position)
        return Row(unified_key.encode(), orjson.dumps(dict(zip(row_fields, (*system, *columns), strict=True))))

    return mapper


def _only_known(row: Mapping[str, Any], source: Source) -> None:
    # Without a value, a column tells nothing that could be lost.
    if unknown := source.unknown(name for name, value in row.items() if value is not None):
        shown = ", ".join(f"`{printable(name[:LONGEST_SHOWN])}`" for name in sorted(unknown)[:3])
        raise Malformed(f"The row has {shown}, which the contract neither takes nor ignores, and is quarantined.")


def _if_possible(fill: ColumnMapper, row: Mapping[str, Any]) -> Any:
    # A deletion is never held up by the values of what is deleted.
    try:
        return fill(row) if row else None
    except Rejected:
        return None
