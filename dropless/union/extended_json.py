"""MongoDB's extended JSON, as Debezium writes documents."""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

from dropless.union.moments import iso, microseconds_of_text
from dropless.union.outcome import Unmappable

_NESTED: Final = (dict, list)
MAX_DEPTH: Final = 100
"""MongoDB's own limit of nesting."""


def unwrapped(value: dict[str, Any]) -> Any:
    """The value in a type wrapper such as `{"$numberLong": "5"}`; a document without one is itself.

    64-bit integers become ints; Decimal128s, ObjectIds and binary data become text; a date becomes
    a `Moment`.

    Raises:
        Unmappable: the wrapper is broken.
    """
    for name, inner in value.items():
        wrapper = _WRAPPERS.get(name)
        return wrapper(inner, value) if wrapper else value
    return value


class Moment(int):
    """Microseconds since 1970, UTC, known to be a point in time."""


def plain(value: Any, depth: int = 0) -> Any:
    """A document as plain JSON: wrappers become numbers or text, dates ISO 8601 text.

    Raises:
        Unmappable: a wrapper is broken, or the document is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise Unmappable(f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        inner = unwrapped(value)
        if inner is value:
            return {name: plain(each, depth + 1) if each.__class__ in _NESTED else each for name, each in value.items()}
        return iso(inner) if isinstance(inner, Moment) else inner
    if isinstance(value, list):
        return [plain(each, depth + 1) for each in value]
    return value


def _long(inner: Any, _: dict[str, Any]) -> int:
    try:
        return int(inner)
    except (TypeError, ValueError):
        raise Unmappable("is a broken $numberLong") from None


def _double(inner: Any, _: dict[str, Any]) -> float:
    try:
        value = float(inner)
    except (TypeError, ValueError):
        raise Unmappable("is a broken $numberDouble") from None
    if not isfinite(value):
        raise Unmappable("is not a finite number")
    return value


def _text(inner: Any, _: dict[str, Any]) -> str:
    if not isinstance(inner, str):
        raise Unmappable("is a broken extended JSON value")
    return inner


def _date(inner: Any, _: dict[str, Any]) -> Moment:
    if isinstance(inner, dict):
        inner = unwrapped(inner)
    if isinstance(inner, str):
        return Moment(microseconds_of_text(inner))
    if isinstance(inner, int) and not isinstance(inner, bool):
        return Moment(inner * 1000)
    raise Unmappable("is a broken $date")


def _binary(inner: Any, whole: dict[str, Any]) -> str:
    return _text(inner["base64"] if isinstance(inner, dict) and "base64" in inner else inner, whole)


_WRAPPERS: Final = {
    "$oid": _text,
    "$numberLong": _long,
    "$numberInt": _long,
    "$numberDouble": _double,
    "$numberDecimal": _text,
    "$date": _date,
    "$binary": _binary,
    "$uuid": _text,
    "$symbol": _text,
}
