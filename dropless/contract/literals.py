"""A contract's literals (constants, defaults, outputs of `values`) against the type of their column."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from dropless.contract.column_type import ColumnType, Kind
from dropless.contract.problems import Problem

INT_RANGE = (-(2**31), 2**31 - 1)
LONG_RANGE = (-(2**63), 2**63 - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def on_the_wire(value: Any, type_: ColumnType) -> str | int | float | bool:
    """The literal as it stands in a unified row of that type.

    Raises:
        Problem: it does not fit the type.
    """
    wrong = Problem(f"is {value!r}, which is not {_EXPECTED[type_.kind]}")
    match type_.kind:
        case Kind.STRING:
            if not isinstance(value, str):
                raise Problem(f"is {value!r}, which is not a text; write it in quotes")
            if "\0" in value:
                raise Problem("holds a NUL character, which Pinot cuts a text at")
            return value
        case Kind.BOOLEAN:
            if not isinstance(value, bool):
                raise wrong
            return value
        case Kind.INT | Kind.LONG:
            low, high = INT_RANGE if type_.kind is Kind.INT else LONG_RANGE
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise wrong
            return value
        case Kind.DOUBLE:
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
                raise wrong
            return float(value)
        case Kind.DECIMAL:
            return _decimal(value, type_)
        case Kind.DATE:
            return _date(value).isoformat()
        case Kind.TIMESTAMP:
            return _microseconds(value)
        case Kind.JSON:
            raise Problem("stands in a json column, which takes no literals")


def _decimal(value: Any, type_: ColumnType) -> str:
    wrong = Problem(f"is {value!r}, which is not a number that {type_} holds exactly")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise wrong from None
    if not number.is_finite() or abs(number) >= Decimal(10) ** (type_.precision - type_.scale):
        raise wrong
    text = f"{number:.{type_.scale}f}"
    if Decimal(text) != number:
        raise wrong
    return text


def _date(value: Any) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise Problem(f"is {value!r}, which is not a date such as 2026-01-31") from None


def _microseconds(value: Any) -> int:
    wrong = Problem(f"is {value!r}, which is not a timestamp with its zone such as 2026-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise wrong from None
    if moment.tzinfo is None:
        raise wrong
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_EXPECTED = {
    Kind.STRING: "a text",
    Kind.BOOLEAN: "true or false",
    Kind.INT: "a 32-bit whole number",
    Kind.LONG: "a 64-bit whole number",
    Kind.DOUBLE: "a finite number",
    Kind.DECIMAL: "a decimal number",
    Kind.DATE: "a date",
    Kind.TIMESTAMP: "a timestamp",
    Kind.JSON: "JSON",
}
