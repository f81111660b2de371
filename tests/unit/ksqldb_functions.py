"""A REFERENCE, not ksqlDB: its functions, and JSON as they read and write it; see `ksqldb_reference`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

Value = Any

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a clock's own time

_NOTHING = object()


class Fault(Exception):
    """What is an exception in ksqlDB while a record is processed."""


class NotModelled(AssertionError):
    """A statement has something whose meaning is not written down here."""


class Number(str):
    """The text of a JSON number."""

    __slots__ = ()


class Fraction(Number):
    """One with a point or an exponent."""

    __slots__ = ()


def _unknown_constant(text: str) -> None:
    raise ValueError(text)


_DECODER = json.JSONDecoder(
    parse_int=lambda text: Number(int(text)),
    parse_float=lambda text: Fraction(java_decimal(Decimal(text))),
    parse_constant=_unknown_constant,
    strict=True,
)


_reading = {"doubles": False}


@contextmanager
def functions_reading(*, doubles: bool) -> Iterator[None]:
    _reading["doubles"] = doubles
    try:
        yield
    finally:
        _reading["doubles"] = False


def parsed(text: str) -> Value:
    """The first value in JSON text; Jackson does not look at what comes after it."""
    try:
        value = _DECODER.raw_decode(text.lstrip(" \t\r\n"))[0]
        return through_doubles(value) if _reading["doubles"] else value
    except (ValueError, RecursionError):
        raise Fault("not JSON") from None


def java_decimal(number: Decimal) -> str:
    """As java.math.BigDecimal writes itself."""
    return str(number)


def written(value: Value) -> str:
    """JSON as Jackson writes it: compact, in the order of the text, nothing escaped that need not be."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{written(str(name))}:{written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _is_json_string(text: Value) -> bool:
    if text is None:
        return False
    try:
        parsed(text)
    except Fault:
        return False
    return True


def _extract_json_field(text: Value, path: Value) -> Value:
    if text is None or path is None:
        return None
    here = parsed(text)
    for step in _steps(path):
        if isinstance(here, list):
            here = here[int(step)] if step.isdecimal() and int(step) < len(here) else _NOTHING
        else:
            here = here.get(step, _NOTHING) if isinstance(here, dict) else _NOTHING
        if here is _NOTHING:
            return None
    return here if isinstance(here, str) and not isinstance(here, Number) else written(here)


@cache
def _steps(path: str) -> list[str]:
    if not re.fullmatch(r'\$(\["[^"\\]*"\])+', path):
        raise NotModelled(f"the JSON path {path!r}")
    return re.findall(r'\["([^"]*)"\]', path)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\x\{([0-9A-F]+)\}", lambda match: f"\\U{int(match[1], 16):08x}", pattern), re.ASCII)


def _regexp_extract(pattern: Value, text: Value, group: Value = 0) -> Value:
    if pattern is None or text is None:
        return None
    match = _pattern(pattern).search(text)
    return match[group] if match else None


def _rpad(text: Value, length: Value, padding: Value) -> Value:
    return None if text is None else (text + padding * length)[:length]


def _substring(text: Value, start: Value, length: Value) -> Value:
    if text is None:
        return None
    if any(ord(each) > 0xFFFF for each in text[: start + length]):
        raise NotModelled("SUBSTRING of surrogate pairs")
    return text[start - 1 : start - 1 + length]


def _replace(text: Value, old: Value, new: Value) -> Value:
    return None if text is None else text.replace(old, new)


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


_FORMATS = {"yyyy-MM-dd HH:mm:ss": "%Y-%m-%d %H:%M:%S", "yyyy-MM-dd": "%Y-%m-%d"}


def _string_to_timestamp(text: Value, form: Value, zone: Value) -> int:
    """The date is applied to a clock that shows midnight, then the time; of two offsets the present one stays."""
    if text is None:
        raise Fault("NULL is no time")
    try:
        wanted = datetime.strptime(text, _FORMATS[form])  # noqa: DTZ007 - a clock's own time
    except ValueError:
        raise Fault("no time") from None
    offset = _zone_offset(EPOCH, zone, None)
    for clock in (
        wanted.replace(month=1, day=1, hour=0, minute=0, second=0),
        wanted.replace(day=1, hour=0, minute=0, second=0),
        wanted.replace(hour=0, minute=0, second=0),
        wanted.replace(minute=0, second=0),
        wanted,
    ):
        offset = _zone_offset(clock, zone, offset)
    return (wanted - EPOCH - offset) // timedelta(milliseconds=1)


def _zone_offset(clock: datetime, zone: str, present: timedelta | None) -> timedelta:
    first, second = (clock.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return second if present == second and first > second else first


def _timestamp_to_string(milliseconds: Value, form: Value, zone: Value) -> str:
    if milliseconds is None:
        raise Fault("NULL is no time")
    if zone != "UTC":
        raise NotModelled("TIMESTAMPTOSTRING of a zone")
    try:
        clock = EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise NotModelled("a time after the year 9999") from None
    full = clock.isoformat(sep=" ", timespec="seconds")
    return full if "HH" in form else full[:10]


def java_double(number: float) -> str:
    """As java.lang.Double writes itself."""
    if number in (float("inf"), float("-inf")):
        return '"Infinity"' if number > 0 else '"-Infinity"'
    sign = "-" if str(number).startswith("-") else ""
    digits = Decimal(repr(abs(number)))
    if digits == 0:
        return f"{sign}0.0"
    if Decimal("1e-3") <= digits < Decimal("1e7"):
        text = f"{digits:f}"
        return sign + (text if "." in text else f"{text}.0")
    exponent = digits.adjusted()
    mantissa = f"{digits.scaleb(-exponent).normalize():f}"
    return f"{sign}{mantissa if '.' in mantissa else mantissa + '.0'}E{exponent}"


def through_doubles(value: Value) -> Value:
    if isinstance(value, Number):
        return Number(java_double(float(value))) if isinstance(value, Fraction) else value
    if isinstance(value, dict):
        return {name: through_doubles(each) for name, each in value.items()}
    return [through_doubles(each) for each in value] if isinstance(value, list) else value


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "AS_VALUE": lambda value: value,
    "COALESCE": _coalesce,
    "EXTRACTJSONFIELD": _extract_json_field,
    "IS_JSON_STRING": _is_json_string,
    "REGEXP_EXTRACT": _regexp_extract,
    "REPLACE": _replace,
    "RPAD": _rpad,
    "STRINGTOTIMESTAMP": _string_to_timestamp,
    "SUBSTRING": _substring,
    "TIMESTAMPTOSTRING": _timestamp_to_string,
}
