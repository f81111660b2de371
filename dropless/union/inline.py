"""One column's common case as a line of Python, for the mapper that is written for a source.

Every line ends in the column's own conversion, which handles the rest. What a contract says reaches the
text only as a bound name: nothing that a person wrote becomes code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import orjson

from dropless.contract import Column, ColumnType, Expression, Kind, Source
from dropless.contract.literals import INT_RANGE, LONG_RANGE, on_the_wire
from dropless.union import canonical_json
from dropless.union.columns import column_conversion
from dropless.union.conversions import NOT_SENT, SHORT_NUMBER, UNAVAILABLE, Conversion, common_decimals
from dropless.union.moments import DAY, EPOCH, FIRST, LAST, MICROSECOND, date_of_days, offset_of_day
from dropless.union.outcome import Unmappable


class Uncommon(Exception):
    """The common case does not hold; the plain mapping says what becomes of the record."""


def uncommon() -> Any:
    """Leave the common case from within an expression.

    Raises:
        Uncommon: always.
    """
    raise Uncommon


UNCOMMON: Final = (
    Uncommon, Unmappable, msgspec.MsgspecError, orjson.JSONEncodeError, ValueError, KeyError, RecursionError,
)  # fmt: skip
"""What a record raises that is not as usual; a UnicodeDecodeError and orjson's JSONDecodeError are ValueErrors."""


@dataclass(frozen=True)
class Inline:
    """An expression over `v`, the source's value or None, and the names in it that are the column's own."""

    code: str
    names: dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What many values of a column become, and how they are known; in braces stands what is bound to a name."""

    result: str
    condition: str
    names: dict[str, Any] = field(default_factory=dict)


def inline(column: Column, source: Source, suffix: str) -> Inline:
    """The expression that fills a column; its own names end in `suffix`.

    It raises one of `UNCOMMON` where the plain mapping has to decide.
    """
    expression = source.columns.get(column.name)
    if expression is None:
        return Inline("None", {})
    if expression.constant is not None:
        return Inline(f"constant{suffix}", {f"constant{suffix}": on_the_wire(expression.constant, column.type)})
    convert = column_conversion(column, source)
    names: dict[str, Any] = {"convert": convert}
    code = "{convert}(v)"
    for case in reversed(_cases(column, expression, convert, mongodb=source.mongodb is not None)):
        code, names = f"{case.result} if {case.condition} else {code}", names | case.names
    if expression.default is not None:
        absent, names = "{default}", names | {"default": on_the_wire(expression.default, column.type)}
    else:
        absent = "None" if column.nullable else "uncommon()"
    own = {name: name + suffix for name in names}
    return Inline(f"{absent} if v is None else {code}".format_map(own), {own[name]: names[name] for name in names})


def _cases(column: Column, expression: Expression, convert: Conversion, *, mongodb: bool) -> Sequence[Case]:
    """The common cases of a column, in the order in which they are looked for."""
    if expression.values is not None:
        table = {text: on_the_wire(value, column.type) for text, value in expression.values.items()}
        return [Case("{table}[v]", "v.__class__ is str", {"table": table})]
    if column.allowed is not None:
        allowed = frozenset(filter(_accepted_by(convert), column.allowed))
        return [Case("v", "v.__class__ is str and v in {allowed}", {"allowed": allowed})]
    if column.type.kind is Kind.JSON:
        # A field inside a document is decoded already.
        return [] if mongodb or len(expression.paths[0]) > 1 else [_DOCUMENT]
    if column.type.kind is Kind.TIMESTAMP:
        return _timestamps(expression.timezone, mongodb=mongodb)
    return _of_kind(column.type, expression.divide, mongodb=mongodb)


def _of_kind(type_: ColumnType, divisor: int | None, *, mongodb: bool) -> Sequence[Case]:
    match type_.kind:
        case Kind.STRING:
            return [_TEXT, _OBJECT_ID if mongodb else _NUMBER_AS_TEXT]
        case Kind.INT | Kind.LONG if divisor is None:
            return _integers(*(INT_RANGE if type_.kind is Kind.INT else LONG_RANGE), mongodb=mongodb)
        case Kind.DOUBLE:
            return _doubles(divisor)
        case Kind.DECIMAL:
            return _decimals(type_, divisor, mongodb=mongodb)
        case Kind.BOOLEAN:
            return [_BOOLEAN]
        case Kind.DATE:
            return [_DATE_OF_MOMENT if mongodb else _DATE_OF_DAYS]
        case _:
            return []


def _wrapped(wrapper: str, kind: str) -> str:
    """The condition that `v` is a value of extended JSON, such as `{"$oid": "..."}`, whose inner one is `w`."""
    return f'v.__class__ is dict and len(v) == 1 and (w := v.get("{wrapper}")).__class__ is {kind}'


_SENT: Final = {"not_sent": NOT_SENT}
_TEXT: Final = Case("v", 'v.__class__ is str and "\\0" not in v and v not in {not_sent}', _SENT)
_OBJECT_ID: Final = Case("w", _wrapped("$oid", "str") + ' and "\\0" not in w and w not in {not_sent}', _SENT)
_NUMBER_AS_TEXT: Final = Case("str(v)", "v.__class__ is int")
_BOOLEAN: Final = Case("v", "v is True or v is False")


def _integers(low: int, high: int, *, mongodb: bool) -> list[Case]:
    names = {"low": low, "high": high}
    plain = Case("v", "v.__class__ is int and {low} <= v <= {high}", names)
    if not mongodb:
        return [plain]
    return [plain, Case("n", _wrapped("$numberLong", "str") + " and {low} <= (n := int(w)) <= {high}", names)]


def _doubles(divisor: int | None) -> list[Case]:
    if divisor is not None:
        return [Case("v / {divisor}", "v.__class__ is int", {"divisor": divisor})]
    text = Case("float(v)", "v.__class__ is str and {short}(v)", {"short": SHORT_NUMBER.fullmatch})
    return [Case("v", "v.__class__ is float"), text]


def _decimals(type_: ColumnType, divisor: int | None, *, mongodb: bool) -> list[Case]:
    common = common_decimals(type_, divisor or 1)
    cases = []
    if divisor is None:
        finished = {"finished": common.finished}
        if mongodb:
            cases.append(Case("w", _wrapped("$numberDecimal", "str") + " and {finished}(w)", finished))
        cases.append(Case("v", "v.__class__ is str and {finished}(v)", finished))
    if common.many:
        names = {"written": common.written, "factor": common.factor, "unit": common.unit, "many": common.many}
        cases.append(Case("{written} % divmod(v * {factor}, {unit})", "v.__class__ is int and 0 <= v < {many}", names))
    return cases


_DATE_OF_DAYS: Final = Case("{date}(v)", "v.__class__ is int", {"date": date_of_days})
_DATE_OF_MOMENT: Final = Case(
    "{date}(w // {day})",
    _wrapped("$date", "int") + " and not w % {day}",
    {"date": date_of_days, "day": DAY // 1000},
)
_MOMENT: Final = Case(
    "w * 1000",
    _wrapped("$date", "int") + " and {first} <= w <= {last}",
    {"first": FIRST // 1000, "last": LAST // 1000},
)
_MICROSECONDS: Final = Case("v", "v.__class__ is int and {first} <= v <= {last}", {"first": FIRST, "last": LAST})
# The same texts that `moments` parses without its pattern.
_ISO: Final = Case(
    "({parsed}(v) - {epoch}) // {microsecond}",
    'v.__class__ is str and v[-1:] == "Z" and v[10:11] == "T" and len(v) <= 27',
    {"parsed": datetime.fromisoformat, "epoch": EPOCH, "microsecond": MICROSECOND},
)
_DOCUMENT: Final = Case(
    "{dumps}({loads}(v), None, {options}).decode()",
    "v.__class__ is str and v != {unavailable} and not {long_number}(v)",
    {
        "dumps": orjson.dumps,
        "loads": orjson.loads,
        "options": canonical_json.OPTIONS,
        "unavailable": UNAVAILABLE,
        "long_number": canonical_json.LONG_NUMBER.search,
    },
)


def _timestamps(timezone: str | None, *, mongodb: bool) -> list[Case]:
    if timezone is None:
        return [_MOMENT] if mongodb else [_MICROSECONDS, _ISO]
    if mongodb:
        return []
    # So far from either end that no offset leads out of the range.
    names = {"offset": offset_of_day(ZoneInfo(timezone)), "day": DAY, "first": FIRST + 2 * DAY, "last": LAST - 2 * DAY}
    condition = "v.__class__ is int and {first} <= v <= {last} and (o := {offset}(v // {day})) is not None"
    return [Case("v - o", condition, names)]


def _accepted_by(convert: Conversion) -> Any:
    def accepted(value: str) -> bool:
        try:
            return bool(convert(value) == value)
        except Unmappable:
            return False

    return accepted
