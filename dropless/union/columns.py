"""One unified column from a source's row, compiled from its expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dropless.contract import Column, Expression, Source
from dropless.contract.identifiers import join
from dropless.contract.literals import on_the_wire
from dropless.union import canonical_json
from dropless.union.conversions import Conversion, conversion
from dropless.union.extended_json import unwrapped
from dropless.union.outcome import Unmappable

ColumnMapper = Callable[[Mapping[str, Any]], Any]
"""A source's row to the column's value; raises `Rejected`."""

LONGEST_SHOWN: Final = 40
MISSING: Final = object()
"""In place of a column that the row does not have."""
_NOT_AN_OBJECT: Final = object()


class Rejected(Exception):
    """A column cannot be filled; the message is the dead letter's reason."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


def column_mapper(column: Column, source: Source) -> ColumnMapper:
    """The function that fills a column from a row of a source."""
    expression = source.columns.get(column.name)
    if expression is None:
        return lambda _: None
    if expression.constant is not None:
        constant = on_the_wire(expression.constant, column.type)
        return lambda _: constant
    mongodb = source.mongodb is not None
    convert = column_conversion(column, source)
    absent = _absent(column, expression, mongodb=mongodb)
    if len(expression.paths) == 1 and len(expression.paths[0]) == 1:
        return _fill_from_column(column, expression.paths[0][0], convert, absent)
    return _fill_from_field(column, origin_reader(expression, mongodb=mongodb), convert, absent)


def column_conversion(column: Column, source: Source) -> Conversion:
    """What makes a column's value of a source's, which is not null; the column is read from the source."""
    expression = source.columns[column.name]
    convert = conversion(column.type, expression, mongodb=source.mongodb is not None)
    if column.allowed is not None and expression.values is None:
        return _among(column.allowed, convert)
    return convert


def _fill_from_column(column: Column, name: str, convert: Conversion, absent: Conversion) -> ColumnMapper:
    # The same as below without a reader: most columns are read so, and a call each is a tenth of the time.
    def fill(row: Mapping[str, Any]) -> Any:
        value = row.get(name, MISSING)
        try:
            return absent(value) if value is None or value is MISSING else convert(value)
        except Unmappable as reason:
            raise Rejected(column.name, _sentence(column, value, reason.why)) from None

    return fill


def _fill_from_field(
    column: Column, read: Callable[[Mapping[str, Any]], Any], convert: Conversion, absent: Conversion
) -> ColumnMapper:
    def fill(row: Mapping[str, Any]) -> Any:
        value: Any = None
        try:
            value = read(row)
            return absent(value) if value is None or value is MISSING else convert(value)
        except Unmappable as reason:
            raise Rejected(column.name, _sentence(column, value, reason.why)) from None

    return fill


def origin_reader(expression: Expression, *, mongodb: bool) -> Callable[[Mapping[str, Any]], Any]:
    """The function that reads what an expression is of, or `MISSING`; it raises `Unmappable`.

    Of several columns or fields the first counts that the row has, even if it is null there.
    """
    paths = expression.paths
    if len(paths) == 1:
        return field_reader(paths[0], mongodb=mongodb)
    firsts = [path[0] for path in paths]
    if len(paths[0]) == 1:
        return lambda row: next((row[name] for name in firsts if name in row), MISSING)
    readers = [field_reader(path, mongodb=mongodb, missing=MISSING) for path in paths]

    def read(row: Mapping[str, Any]) -> Any:
        for reader in readers:
            if (value := reader(row)) is not MISSING:
                return value
        # A field that is nowhere is null; a column that is nowhere was dropped or renamed.
        return None if any(name in row for name in firsts) else MISSING

    return read


def field_reader(path: tuple[str, ...], *, mongodb: bool, missing: Any = None) -> Callable[[Mapping[str, Any]], Any]:
    """The function that reads a field inside a row's column; it raises `Unmappable`."""
    first, rest = path[0], path[1:]

    def read(row: Mapping[str, Any]) -> Any:
        value = row.get(first, MISSING)
        if isinstance(value, str) and not mongodb:
            value = canonical_json.loads(value)
        elif value is MISSING and not mongodb:
            return value
        for depth, name in enumerate(rest, start=1):
            if value is None or value is MISSING:
                return missing
            inner = value.get(name, MISSING) if isinstance(value, dict) else _NOT_AN_OBJECT
            if inner is MISSING and mongodb and unwrapped(value) is not value:
                inner = _NOT_AN_OBJECT
            if inner is _NOT_AN_OBJECT:
                raise Unmappable(f"has no such field, since `{join(path[:depth])}` is not an object")
            value = inner
        return value if value is not MISSING else missing

    return read


def _absent(column: Column, expression: Expression, *, mongodb: bool) -> Callable[[Any], Any]:
    default = None if expression.default is None else on_the_wire(expression.default, column.type)
    field = "` or `".join(join(path) for path in expression.paths)

    def fill(value: Any) -> Any:
        if default is not None:
            return default
        if value is MISSING and not mongodb and not expression.optional:
            # Every PostgreSQL row has all columns: null would hide that one was dropped or renamed.
            raise Unmappable(f"needs `{field}`, which the source's row does not have; was it dropped or renamed?")
        if not column.nullable:
            raise Unmappable(f"needs `{field}`, which is null or missing")
        return None

    return fill


def _among(allowed: tuple[str, ...], convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    values, known = frozenset(allowed), ", ".join(allowed)

    def check(value: Any) -> Any:
        converted = convert(value)
        if converted in values:
            return converted
        raise Unmappable(f"is not one of the allowed {known}")

    return check


def _sentence(column: Column, value: Any, why: str) -> str:
    if value is None or value is MISSING:
        return f"Column {column.name!r} {why}."
    return f"Column {column.name!r} cannot take {_shown(column, value)}: it {why}."


def _shown(column: Column, value: Any) -> str:
    if column.pii:
        return "its value (personal, not shown)"
    try:
        text = canonical_json.dumps(value)
    except Unmappable:
        return "its value"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
