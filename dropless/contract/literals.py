"""A contract's literals (constants, defaults, outputs of `values`) against the type of their column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Final

from dropless.contract.column_type import ColumnType, Kind
from dropless.contract.problems import Problem

INT_RANGE: Final = (-(2**31), 2**31 - 1)
LONG_RANGE: Final = (-(2**63), 2**63 - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Wire = str | int | float | bool


def on_the_wire(value: Any, type_: ColumnType) -> Wire:
    """The literal as it stands in a unified row of that type.

    Raises:
        Problem: it does not fit the type.
    """
    if type_.kind is Kind.JSON:
        raise Problem("stands in a json column, which takes no literals")
    written = _WRITERS[type_.kind](value, type_)
    if written is None:
        raise Problem(f"is {value!r}, which is not {_EXPECTED[type_.kind]}")
    return written


# Each gives None for what does not fit.


def _text(value: Any, _: ColumnType) -> str | None:
    # Pinot cuts a text at a NUL.
    return value if isinstance(value, str) and "\0" not in value else None


def _boolean(value: Any, _: ColumnType) -> bool | None:
    return value if isinstance(value, bool) else None


def _integer(value: Any, type_: ColumnType) -> int | None:
    low, high = INT_RANGE if type_.kind is Kind.INT else LONG_RANGE
    return value if type(value) is int and low <= value <= high else None


def _double(value: Any, _: ColumnType) -> float | None:
    return float(value) if type(value) in {int, float} and isfinite(value) else None


def _decimal(value: Any, type_: ColumnType) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) >= Decimal(10) ** (type_.precision - type_.scale):
        return None
    text = f"{number:.{type_.scale}f}"
    return text if Decimal(text) == number else None


def _date(value: Any, _: ColumnType) -> str | None:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        return None


def _timestamp(value: Any, _: ColumnType) -> int | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        return None
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_WRITERS: Final[dict[Kind, Callable[[Any, ColumnType], Wire | None]]] = {
    Kind.STRING: _text,
    Kind.BOOLEAN: _boolean,
    Kind.INT: _integer,
    Kind.LONG: _integer,
    Kind.DOUBLE: _double,
    Kind.DECIMAL: _decimal,
    Kind.DATE: _date,
    Kind.TIMESTAMP: _timestamp,
}
_EXPECTED: Final = {
    Kind.STRING: "a text without NUL (a number is written in quotes)",
    Kind.BOOLEAN: "true or false",
    Kind.INT: "a 32-bit whole number",
    Kind.LONG: "a 64-bit whole number",
    Kind.DOUBLE: "a finite number",
    Kind.DECIMAL: "a number that it holds exactly",
    Kind.DATE: "a date such as 2026-01-31",
    Kind.TIMESTAMP: "a timestamp with its zone such as 2026-01-31T12:00:00Z",
}
