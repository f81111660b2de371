"""Exact arithmetic on the numbers of rows, in integers: coefficient x 10^exponent."""

from __future__ import annotations

import re
from typing import Any

from dropless.union.extended_json import Moment
from dropless.union.outcome import Unmappable

# Bounded, so that no text becomes a number of a million digits.
_NUMBER = re.compile(r"([+-]?)(\d{0,400})(?:\.(\d{0,400}))?(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
# As Debezium, Java and MongoDB spell them.
_NOT_FINITE = {"nan", "inf", "infinity", "positive_infinity", "negative_infinity"}


def parts(value: Any) -> tuple[int, int]:
    """Coefficient and exponent of a JSON number or of a number's text.

    Raises:
        Unmappable: it is not a finite number; a boolean and a date are none.
    """
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, bool | Moment):
        raise Unmappable("is not a number")
    if isinstance(value, int):
        return value, 0
    if isinstance(value, float):
        # The shortest text that means this double, which is what stood in the JSON.
        return _of_text(repr(value))
    raise Unmappable("is not a number")


def scaled(value: Any, scale: int, divisor: int) -> int:
    """Value / divisor x 10^scale, which must be whole.

    Raises:
        Unmappable: it is not a number or not whole.
    """
    coefficient, exponent = parts(value)
    power = exponent + scale
    if power >= 0:
        coefficient *= 10**power
    else:
        divisor *= 10**-power
    whole, rest = divmod(coefficient, divisor)
    if rest:
        raise Unmappable(f"has more than {scale} digits after the point" if scale else "is not a whole number")
    return whole


def double(value: Any, divisor: int) -> float:
    """The double nearest to value / divisor.

    Raises:
        Unmappable: it is not a number, or larger than any double.
    """
    coefficient, exponent = parts(value)
    if exponent >= 0:
        coefficient *= 10**exponent
    else:
        divisor *= 10**-exponent
    try:
        # Python divides integers to the nearest double.
        return coefficient / divisor
    except OverflowError:
        raise Unmappable("is larger than any double") from None


def _of_text(text: str) -> tuple[int, int]:
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        finite = text.lower().lstrip("+-") not in _NOT_FINITE
        raise Unmappable("is not a number" if finite else "is not a finite number")
    sign, whole, fraction, exponent = match.groups()
    fraction = fraction or ""
    coefficient = int(whole + fraction)
    return -coefficient if sign == "-" else coefficient, int(exponent or 0) - len(fraction)
