"""JSON in one canonical writing: compact, keys sorted, numbers exact."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

import orjson

from dropless.union.outcome import Unmappable

# Numbers of so many digits, or with an exponent, may be more than a float or a 64-bit integer holds.
LONG_NUMBER: Final = re.compile(r"[0-9][0-9.]{15}|[0-9][eE]")
OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS


class Number(str):
    """The text of a JSON number that no float and no 64-bit integer holds exactly."""

    __slots__ = ()


def loads(text: str) -> Any:
    """The value of JSON text, with numbers kept exactly (some as a `Number`).

    Raises:
        Unmappable: it is not JSON.
    """
    try:
        if LONG_NUMBER.search(text):
            return json.loads(text, parse_int=_integer, parse_float=_fraction, parse_constant=_constant)
        return orjson.loads(text)
    except (ValueError, RecursionError):
        raise Unmappable("is not valid JSON") from None


def dumps(value: Any) -> str:
    """The canonical writing of a value.

    Raises:
        Unmappable: it cannot be written, such as when it is nested too deeply.
    """
    try:
        return orjson.dumps(value, option=OPTIONS, default=_number).decode()
    except orjson.JSONEncodeError:
        raise Unmappable("cannot be written as JSON") from None


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(str(value))
    raise TypeError


def _integer(text: str) -> int | Number:
    # Longer than any 64-bit integer, and int() refuses thousands of digits.
    if len(text) > 20:
        return Number(text)
    value = int(text)
    return value if -(2**63) <= value < 2**63 else Number(text)


def _fraction(text: str) -> float | Number:
    value = float(text)
    exact = abs(value) != float("inf") and Decimal(repr(value)) == Decimal(text)
    return value if exact else Number(text)


def _constant(name: str) -> Any:
    raise ValueError(name)
