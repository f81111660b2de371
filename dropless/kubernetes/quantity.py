"""Kubernetes' quantities (`500m`, `1Gi`), so that two ways of writing one are no difference."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_BINARY: Final = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL: Final = {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)}
_FACTORS: Final = {"": Decimal(1), "m": Decimal("0.001")} | _DECIMAL | _BINARY
_QUANTITY: Final = re.compile(r"([+-]?\d+(?:\.\d+)?)([a-zA-Z]{0,2})")

GIBIBYTE: Final = 1024**3
MEBIBYTE: Final = 1024**2


def parse(text: str | float) -> Decimal:
    """The number: cores, or bytes.

    Raises:
        ValueError: it is no quantity.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match[2] not in _FACTORS:
        raise ValueError(f"{text!r} is no quantity such as 500m or 2Gi")
    return Decimal(match[1]) * _FACTORS[match[2]]


def plain(text: str | float) -> str:
    """The number as text without exponent or trailing zeros; what is no quantity stays as it is."""
    try:
        return format(parse(text).normalize(), "f")
    except ValueError:
        return str(text)


def heap(options: str) -> int:
    """The bytes of the last `-Xmx` among a JVM's options.

    Raises:
        ValueError: there is none.
    """
    found = re.findall(r"-Xmx(\d+)([kKmMgG]?)", options)
    if not found:
        raise ValueError(f"there is no -Xmx in {options!r}")
    number, unit = found[-1]
    return int(number) * {"": 1, "k": 1024, "m": MEBIBYTE, "g": GIBIBYTE}[unit.lower()]
