"""Hashes of unified rows written in DuckDB's SQL: of the lake's columns, or of Pinot's answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection
from duckdb.func import PythonUDFType

from dropless.contract import Column
from dropless.contract.column_type import Kind
from dropless.lake.engine import quoted
from dropless.reconciliation.canonical import BUCKET_DIGITS, COARSE_US, Split

_BITS: Final = "_bits_of_double"


def prepare(database: DuckDBPyConnection) -> None:
    """Make known what DuckDB does not have: a double's bits, those of zero without its sign."""
    if database.execute("select count(*) from duckdb_functions() where function_name = ?", [_BITS]).fetchall() == [
        (0,)
    ]:
        database.create_function(
            _BITS, _bits, [duckdb.sqltypes.DOUBLE], duckdb.sqltypes.BIGINT, type=PythonUDFType.ARROW
        )


def _bits(values: pa.ChunkedArray) -> pa.ChunkedArray:
    sums = pc.add(values, 0.0)
    return pa.chunked_array([each.view(pa.int64()) for each in sums.chunks], pa.int64())


def rows(relation: str, splits: Mapping[str, Split], *, milliseconds: bool = False) -> str:
    """A select of `source, key, bucket, high, low, fine` over a relation with the unified columns.

    Args:
        relation: a table, a view or a subquery, written by us.
        splits: by source, how its rows are hashed; rows of other sources have hashes of their keys alone.
        milliseconds: the relation is Pinot's, in which timestamps are milliseconds and decimals are text.
    """
    parts: dict[str, list[str]] = {"high": [], "low": [], "fine": []}
    for source, split in splits.items():
        high, low, finest = [], [], []
        for columns, optional in split.halves:
            nulls = [f"{quoted(each.name)} is null" for each in columns] if optional else []
            nothing = " and ".join(nulls)
            coarse = f"md5({_text([_coarse(each, milliseconds=milliseconds) for each in columns])})"
            high.append(_number(coarse, 1, nothing))
            low.append(_number(coarse, 17, nothing))
            moments = [each for each in columns if each.type.kind is Kind.TIMESTAMP]
            if moments and not milliseconds:
                finest.append(_number(f"md5({_text([_fine(each) for each in moments])})", 1, nothing))
        for name, found in (("high", high), ("low", low), ("fine", finest)):
            parts[name].append(f"when {_literal(source)} then {' + '.join(found) or '0::hugeint'}")
    cases = ", ".join(f"(case _source {' '.join(each)} else 0 end) as {name}" for name, each in parts.items())
    bucket = f"('0x' || substr(md5(_key), 1, {BUCKET_DIGITS}))::integer"
    return f"select _source as source, _key as key, {bucket} as bucket, {cases} from {relation}"  # noqa: S608 - our own names, quoted


def _text(columns: list[str]) -> str:
    start = "strlen(_key) || ':' || _key"
    return " || chr(31) || ".join([start, *(f"coalesce({each}, '')" for each in columns)])


def _number(hexadecimal: str, first: int, nothing: str) -> str:
    number = f"('0x' || substr({hexadecimal}, {first}, 16))::ubigint::hugeint"
    return f"(case when {nothing} then 0 else {number} end)" if nothing else number


def _coarse(column: Column, *, milliseconds: bool) -> str:
    name = quoted(column.name)
    match column.type.kind:
        case Kind.STRING | Kind.JSON:
            return f"strlen({name}) || ':' || {name}"
        case Kind.TIMESTAMP:
            # DuckDB's // is cut toward zero.
            return f"{name}::varchar" if milliseconds else f"(epoch_us({name}) // {COARSE_US})::varchar"
        case Kind.DOUBLE:
            return f"{_BITS}({name})::varchar"
        case Kind.DECIMAL:
            return f"{name}::{column.type}::varchar" if milliseconds else f"{name}::varchar"
        case _:
            return f"{name}::varchar"


def _fine(column: Column) -> str:
    return f"(epoch_us({quoted(column.name)}) % {COARSE_US})::varchar"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
