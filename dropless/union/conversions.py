"""A source's value, never null, to the unified one of a column's type: exact, or `Unmappable` is raised."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from dropless.contract import ColumnType, Expression, Kind
from dropless.contract.literals import INT_RANGE, LONG_RANGE, on_the_wire
from dropless.union import canonical_json, exact, moments
from dropless.union.extended_json import Moment, plain, unwrapped
from dropless.union.outcome import Unmappable

Conversion = Callable[[Any], Any]

UNAVAILABLE: Final = "__debezium_unavailable_value"
"""Stands for an unchanged large value that PostgreSQL did not send."""
_UNAVAILABLE_BYTES: Final = b64encode(UNAVAILABLE.encode()).decode()
NOT_SENT: Final = frozenset({UNAVAILABLE, _UNAVAILABLE_BYTES})
SHORT_NUMBER: Final = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,16})?")
_NOT_SENT: Final = "was not sent, being large and unchanged; the table needs REPLICA IDENTITY FULL"


def conversion(type_: ColumnType, expression: Expression, *, mongodb: bool) -> Conversion:
    """The conversion that a column's type and its expression's operation ask for.

    MongoDB's values are extended JSON; PostgreSQL's are as Debezium writes them, where a timestamp
    is microseconds, a date days, and a document its text.
    """
    if expression.values is not None:
        convert = _lookup({text: on_the_wire(value, type_) for text, value in expression.values.items()})
    elif type_.kind is Kind.JSON:
        return _document if mongodb else _json_column if len(expression.paths[0]) == 1 else canonical_json.dumps
    else:
        convert = _by_kind(type_, expression, mongodb=mongodb)
    return _unwrapping(convert) if mongodb else convert


def _by_kind(type_: ColumnType, expression: Expression, *, mongodb: bool) -> Conversion:
    divisor = expression.divide or 1
    match type_.kind:
        case Kind.STRING:
            return text
        case Kind.INT:
            return _integer(*INT_RANGE, divisor, "32-bit")
        case Kind.LONG:
            return _integer(*LONG_RANGE, divisor, "64-bit")
        case Kind.DOUBLE:
            return _double(divisor)
        case Kind.DECIMAL:
            return _decimal(type_, divisor)
        case Kind.BOOLEAN:
            return _boolean
        case Kind.DATE:
            return _date_of_mongodb if mongodb else _date_of_postgresql
        case _:
            zone = ZoneInfo(expression.timezone) if expression.timezone else None
            return _timestamp(zone, numbers=not mongodb)


def text(value: Any) -> str:
    """Text as it is; numbers, booleans and moments as text.

    Raises:
        Unmappable: it is a list or an object, was not sent, or holds a NUL, at which Pinot would cut it.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise Unmappable("holds a NUL character")
        if value in NOT_SENT:
            raise Unmappable(_NOT_SENT)
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Moment):
        return moments.iso(value)
    if isinstance(value, int | float):
        return str(value)
    raise Unmappable(f"is {_noun(value)}, not a text")


def _unwrapping(convert: Conversion) -> Conversion:
    def unwrap_and_convert(value: Any) -> Any:
        return convert(unwrapped(value) if isinstance(value, dict) else value)

    return unwrap_and_convert


def _lookup(values: dict[str, Any]) -> Conversion:
    known = ", ".join(values)

    def convert(value: Any) -> Any:
        try:
            return values[value if type(value) is str else text(value)]
        except KeyError:
            raise Unmappable(f"is none of {known}") from None

    return convert


def _integer(low: int, high: int, divisor: int, size: str) -> Conversion:
    def convert(value: Any) -> int:
        number = value if type(value) is int and divisor == 1 else exact.scaled(value, 0, divisor)
        if low <= number <= high:
            return number
        raise Unmappable(f"does not fit into a {size} integer")

    return convert


def _double(divisor: int) -> Conversion:
    def convert(value: Any) -> float:
        if divisor == 1:
            if type(value) is float:
                return value
            if type(value) is str and SHORT_NUMBER.fullmatch(value):
                return float(value)
        return exact.double(value, divisor)

    return convert


@dataclass(frozen=True)
class CommonDecimals:
    """How most amounts of a decimal column come: as finished text, or as an integer that divides evenly."""

    finished: Callable[[str], object]
    """Whether a text already is the canonical writing, as PostgreSQL's numeric(p,s) is; of no use with a divisor."""
    factor: int
    """Turns an integer into units of the last digit; 0 when the division may leave something."""
    unit: int
    """Units of the last digit in one."""
    many: int
    """Integers from 0 to below it are written by `written % divmod(value * factor, unit)`."""
    written: str


def common_decimals(type_: ColumnType, divisor: int) -> CommonDecimals:
    """What most amounts of a column of this type are, divided by `divisor`."""
    scale, unit = type_.scale, 10**type_.scale
    factor = 0 if unit % divisor else unit // divisor
    whole = rf"[1-9]\d{{0,{type_.precision - scale - 1}}}" if type_.precision > scale else "(?!)"
    finished = re.compile(rf"(?:0|-?{whole})" + (rf"\.\d{{{scale}}}" if scale else ""), re.ASCII)
    many = 10**type_.precision // factor if factor and scale else 0
    return CommonDecimals(finished.fullmatch, factor, unit, many, f"%d.%0{scale}d")


def _decimal(type_: ColumnType, divisor: int) -> Conversion:
    scale, limit = type_.scale, 10**type_.precision
    common = common_decimals(type_, divisor)

    def convert(value: Any) -> str:
        if type(value) is str and divisor == 1 and common.finished(value):
            return value
        whole = type(value) is int and common.factor
        number = value * common.factor if whole else exact.scaled(value, scale, divisor)
        if not -limit < number < limit:
            raise Unmappable(f"has more digits than {type_} holds")
        if not scale:
            return f"{number}"
        before, after = divmod(abs(number), common.unit)
        return f"{'-' if number < 0 else ''}{before}.{after:0{scale}d}"

    return convert


def _boolean(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise Unmappable("is not true or false")


def _timestamp(zone: ZoneInfo | None, *, numbers: bool) -> Conversion:
    to_utc = moments.to_utc(zone) if zone else moments.in_range
    of_text = moments.local_microseconds_of_text if zone else moments.microseconds_of_text

    def convert(value: Any) -> int:
        if type(value) is int and numbers:
            return to_utc(value)
        if isinstance(value, Moment):
            return to_utc(int(value))
        if isinstance(value, str):
            return to_utc(of_text(value))
        raise Unmappable(f"is {_noun(value)}, not a timestamp")

    return convert


def _date_of_postgresql(value: Any) -> str:
    return moments.date_of_days(value) if type(value) is int else _date_of_text(value)


def _date_of_mongodb(value: Any) -> str:
    return moments.date_of_moment(value) if isinstance(value, Moment) else _date_of_text(value)


def _date_of_text(value: Any) -> str:
    if isinstance(value, str):
        return moments.date_of_text(value)
    raise Unmappable(f"is {_noun(value)}, not a date")


def _document(value: Any) -> str:
    return canonical_json.dumps(plain(value))


def _json_column(value: Any) -> str:
    # json and jsonb come as text; an array of another type comes as a JSON array.
    if value in (UNAVAILABLE, [UNAVAILABLE]):
        raise Unmappable(_NOT_SENT)
    if not isinstance(value, str):
        return canonical_json.dumps(value)
    return canonical_json.dumps(canonical_json.loads(value))


def _noun(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "a text"
