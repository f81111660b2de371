"""One column's common case as a line of Python, for the mapper that is written for a source.

Every line ends in the column's own conversion, which handles the rest. What a contract says reaches the
text only as a bound name: nothing that a person wrote becomes code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dropless.contract import Column, Expression, Kind, Source
from dropless.contract.literals import INT_RANGE, LONG_RANGE, on_the_wire
from dropless.union.columns import column_conversion
from dropless.union.conversions import NOT_SENT, Conversion
from dropless.union.moments import FIRST, LAST
from dropless.union.outcome import Unmappable


class Uncommon(Exception):
    """The common case does not hold; the plain mapping says what becomes of the record."""


def uncommon() -> Any:
    """Leave the common case from within an expression.

    Raises:
        Uncommon: always.
    """
    raise Uncommon


@dataclass(frozen=True)
class Inline:
    """An expression over `v`, the source's value or None, and the names in it that are the column's own."""

    code: str
    names: dict[str, Any]


def inline(column: Column, source: Source, suffix: str) -> Inline:
    """The expression that fills a column; its own names end in `suffix`.

    It raises `Uncommon`, `Unmappable` or KeyError where the plain mapping has to decide.
    """
    expression = source.columns.get(column.name)
    if expression is None:
        return Inline("None", {})
    if expression.constant is not None:
        return Inline(f"constant{suffix}", {f"constant{suffix}": on_the_wire(expression.constant, column.type)})
    convert = column_conversion(column, source)
    short = _short(column, expression, convert, mongodb=source.mongodb is not None)
    code, names = (f"{short.code} else {{convert}}(v)", short.names) if short else ("{convert}(v)", {})
    names |= {"convert": convert}
    if expression.default is not None:
        absent, names = "{default}", names | {"default": on_the_wire(expression.default, column.type)}
    else:
        absent = "None" if column.nullable else "uncommon()"
    own = {name: name + suffix for name in names}
    return Inline(f"{absent} if v is None else {code}".format_map(own), {own[name]: names[name] for name in names})


def _short(column: Column, expression: Expression, convert: Conversion, *, mongodb: bool) -> Inline | None:
    """What holds for most values of the column, up to the `else`."""
    divided = expression.divide is not None
    if expression.values is not None:
        table = {text: on_the_wire(value, column.type) for text, value in expression.values.items()}
        return Inline("{table}[v] if v.__class__ is str", {"table": table})
    match column.type.kind:
        case Kind.STRING if column.allowed is not None:
            return Inline(
                "v if v.__class__ is str and v in {allowed}",
                {"allowed": frozenset(filter(_accepted_by(convert), column.allowed))},
            )
        case Kind.STRING:
            return Inline('v if v.__class__ is str and "\\0" not in v and v not in {not_sent}', {"not_sent": NOT_SENT})
        case Kind.INT | Kind.LONG if not divided:
            low, high = INT_RANGE if column.type.kind is Kind.INT else LONG_RANGE
            return Inline("v if v.__class__ is int and {low} <= v <= {high}", {"low": low, "high": high})
        case Kind.DOUBLE if divided:
            return Inline("v / {divisor} if v.__class__ is int", {"divisor": expression.divide})
        case Kind.DOUBLE:
            return Inline("v if v.__class__ is float", {})
        case Kind.BOOLEAN:
            return Inline("v if v is True or v is False", {})
        case Kind.TIMESTAMP if expression.timezone is None and mongodb:
            low, high = FIRST // 1000, LAST // 1000
            date = 'v.__class__ is dict and len(v) == 1 and (ms := v.get("$date")).__class__ is int'
            return Inline(f"ms * 1000 if {date} and {{low}} <= ms <= {{high}}", {"low": low, "high": high})
        case Kind.TIMESTAMP if expression.timezone is None:
            return Inline("v if v.__class__ is int and {low} <= v <= {high}", {"low": FIRST, "high": LAST})
        case _:
            return None


def _accepted_by(convert: Conversion) -> Any:
    def accepted(value: str) -> bool:
        try:
            return bool(convert(value) == value)
        except Unmappable:
            return False

    return accepted
