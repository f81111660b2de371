"""Which values of a source a column of each type takes on ksqlDB, and how they are converted.

What is not taken is a dead letter, as it is with the worker if it cannot be converted. ksqlDB takes a little less
than the worker: never a value that would come out differently.
"""

from __future__ import annotations

from dataclasses import dataclass

from dropless.contract import Column, Expression, Kind
from dropless.contract.literals import INT_RANGE, LONG_RANGE, on_the_wire
from dropless.ksqldb import sql
from dropless.ksqldb.fields import OTHER, TEXT, Field
from dropless.ksqldb.moments import date, timestamp
from dropless.ksqldb.patterns import (
    BINARY,
    CLEAN,
    END,
    INSIDE,
    LONG,
    SHORT_FRACTION,
    SHORT_WHOLE,
    SIMPLE,
    TEXTS,
    WHOLE,
    between,
    exactly,
    long,
    wrapped,
)
from dropless.ksqldb.shape import Shape
from dropless.union.conversions import NOT_SENT


@dataclass(frozen=True)
class _Number:
    """How a number may be written: in a text or wrapper, and as a number of JSON."""

    text: str
    json: str


def shape(column: Column, expression: Expression, field: Field, *, mongodb: bool) -> Shape:
    """What becomes of a field in a column; the contract has been found expressible before."""
    if expression.values is not None:
        return _looked_up(column, expression, field, mongodb=mongodb)
    if column.allowed is not None:
        taken = "|".join(_spellings(text, mongodb=mongodb) for text in column.allowed)
        return Shape(taken, _as_text(field, mongodb), null_is_text="null" in column.allowed)
    power = power_of_ten(expression.divide)
    match column.type.kind:
        case Kind.STRING:
            return _string(field, mongodb=mongodb)
        case Kind.INT | Kind.LONG:
            return _whole(column.type.kind, field, power or 0, mongodb=mongodb)
        case Kind.DOUBLE:
            return _double(field, power or 0, mongodb=mongodb)
        case Kind.DECIMAL:
            return _decimal(column.type.precision, column.type.scale, field, power or 0, mongodb=mongodb)
        case Kind.BOOLEAN:
            return Shape(f"{OTHER}(?:true|false)", f"{field.text} = 'true'")
        case Kind.DATE:
            return date(field, mongodb=mongodb)
        case _:
            return timestamp(field, expression.timezone, mongodb=mongodb)


def power_of_ten(divisor: int | None) -> int | None:
    """The exponent of a divisor that is a power of ten, 0 without one; None for any other."""
    digits = str(divisor or 1)
    return len(digits) - 1 if digits.strip("0") == "1" else None


def _string(field: Field, *, mongodb: bool) -> Shape:
    unsent = "|".join(exactly(text) for text in sorted(NOT_SENT))
    taken = [
        rf"{TEXT}(?!(?:{unsent}){END}){CLEAN}*",
        rf"{OTHER}(?:true|false|(?!-0){LONG})",
    ]
    if mongodb:
        taken += [
            OTHER + wrapped(TEXTS, rf"(?!(?:{unsent})\"){SIMPLE}"),
            OTHER + wrapped(WHOLE, f"(?!-0){LONG}"),
            OTHER + BINARY,
        ]
    return Shape("|".join(taken), _as_text(field, mongodb), null_is_text=True)


def _as_text(field: Field, mongodb: bool) -> str:  # noqa: FBT001 - a source is of one of two sorts
    """A taken value's text, without the wrapper that a document may have around it."""
    if not mongodb:
        return field.text
    # Of the tagged value: a text that looks like a wrapper is a text.
    return f"COALESCE({sql.extract(f'^{OTHER}{INSIDE}', field.tagged, 1)}, {field.text})"


def _spellings(text: str, *, mongodb: bool) -> str:
    """A pattern of the tagged values whose text is this one."""
    plain = exactly(text)
    spellings = [f"{TEXT}{plain}"]
    whole = (
        text.removeprefix("-").isdecimal() and str(int(text)) == text and LONG_RANGE[0] <= int(text) <= LONG_RANGE[1]
    )
    if whole or text in {"true", "false"}:
        spellings.append(f"{OTHER}{plain}")
    if mongodb and '"' not in text and "\\" not in text:
        spellings.append(OTHER + wrapped(TEXTS, plain))
        if whole:
            spellings.append(OTHER + wrapped(WHOLE, plain))
    return "|".join(spellings)


def _looked_up(column: Column, expression: Expression, field: Field, *, mongodb: bool) -> Shape:
    type_, text = sql.TYPES[column.type.kind], _as_text(field, mongodb)
    values = {key: on_the_wire(value, column.type) for key, value in (expression.values or {}).items()}
    # No text with a NUL or one that stands for what was not sent is looked up.
    known = {key: value for key, value in values.items() if "\0" not in key and key not in NOT_SENT}
    branches = [(f"{text} = {sql.literal(key)}", sql.typed(value, type_)) for key, value in known.items()]
    taken = "|".join(_spellings(key, mongodb=mongodb) for key in known) or "(?!)"
    return Shape(taken, sql.case(*branches, otherwise=sql.typed(None, type_)), null_is_text="null" in known)


def _number(field: Field, *, mongodb: bool) -> str:
    """A taken number's text, without its wrapper: no text that is taken as a number looks like one."""
    if not mongodb:
        return field.text
    return f"COALESCE({sql.extract(f'^{INSIDE}', field.text, 1)}, {field.text})"


def _taken(number: _Number, *, mongodb: bool) -> str:
    taken = [f"{TEXT}{number.text}", f"{OTHER}{number.json}"]
    if mongodb:
        taken.append(OTHER + wrapped("numberDecimal", number.text))
        taken.append(OTHER + wrapped(WHOLE, rf'(?=-?[0-9]+"){number.text}'))
    return "|".join(taken)


def _whole(kind: Kind, field: Field, power: int, *, mongodb: bool) -> Shape:
    fits = between(*INT_RANGE) if kind is Kind.INT else LONG
    written = between(*INT_RANGE, written=True) if kind is Kind.INT else long(written=True)
    text = _number(field, mongodb=mongodb)
    if power:
        zeros = f"0{{{power}}}"
        json, written = f"(?:{fits}{zeros}|-?0)", f"(?:{written}{zeros}|[+-]?0+)"
        # What is nothing but zeros may have too few of them to take some away.
        number = f"COALESCE({sql.extract(rf'^([+-]?[0-9]+){zeros}(?:[.]0*)?{END}', text, 1)}, '0')"
    else:
        json, number = fits, sql.extract("^[+-]?[0-9]+", text)
    # A number of JSON beyond 64 bits is another one to the worker, and so is one with a point and many digits.
    json = rf"(?:(?={LONG}{END}){json}|(?={SHORT_WHOLE}{END}){json}[.]0+)"
    taken = _taken(_Number(rf"{written}(?:[.]0*)?", json), mongodb=mongodb)
    return Shape(taken, f"CAST({number} AS {sql.TYPES[kind]})", field.inexact)


def _double(field: Field, power: int, *, mongodb: bool) -> Shape:
    # Far from what a double cannot hold; ksqlDB, like the worker, takes the nearest double.
    digits = r"[0-9]{1,40}(?:\.[0-9]{0,40})?"
    exponent = "" if power else "(?:[eE][+-]?[0-9]{1,2})?"
    text = rf"[+-]?{digits}{exponent}"
    json = f"(?:{LONG}|{SHORT_FRACTION})" if power else rf"-?{digits}{exponent}"
    number = _number(field, mongodb=mongodb)
    shifted = f"{number} + {sql.literal(f'E-{power}')}" if power else number
    unless = field.inexact if power else ()
    return Shape(_taken(_Number(text, json), mongodb=mongodb), f"CAST({shifted} AS DOUBLE)", unless)


def _decimal(precision: int, scale: int, field: Field, power: int, *, mongodb: bool) -> Shape:
    """A decimal as text, cut out of the digits of its number: ksqlDB's own decimals round without a word."""
    before = precision - scale + power
    if power <= scale:
        digits = rf"0*[0-9]{{0,{before}}}(?:\.[0-9]{{0,{scale - power}}}0*)?"
    else:
        # The last digits before the point have to be zeros, too.
        few = power - scale
        digits = rf"(?:0*[0-9]{{0,{before - few}}}0{{{few}}}|0+)(?:\.0*)?"
    text = rf"[+-]?(?=[.]?[0-9]){digits}"
    json = rf"(?:(?={LONG}{END})|(?={SHORT_FRACTION}{END}))-?{digits}"
    number = _number(field, mongodb=mongodb)
    whole = sql.extract(r"^[+-]?([0-9]*)", number, 1)
    padded = f"{sql.literal('0' * (power + 1))} + {whole}"
    written = sql.extract(f"^0*([0-9]+)[0-9]{{{power}}}{END}", padded, 1)
    if scale:
        fraction = f"COALESCE({sql.extract(r'[.]([0-9]*)', number, 1)}, '')"
        if power:
            fraction = f"{sql.extract(f'[0-9]{{{power}}}{END}', padded)} + {fraction}"
        written = f"{written} + '.' + RPAD({fraction}, {scale}, '0')"
    # -0 has no sign.
    value = sql.case((sql.found("^-[0.]*[1-9]", number), f"'-' + {written}"), otherwise=written)
    return Shape(_taken(_Number(text, json), mongodb=mongodb), value, field.inexact)
