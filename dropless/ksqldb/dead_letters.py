"""A dead letter that ksqlDB wrote, read back.

The worker's letter is the record's own bytes with the reason in headers. ksqlDB writes no headers: its letter is a
JSON object with the reason and the origin, and the bytes are read from the raw topic, which keeps them for ever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from dropless.ksqldb.statements import LETTER_FIELDS
from dropless.union.replay import Origin

_COLUMN: Final = re.compile(r"Column '([a-z][a-z0-9_]*)' ")


@dataclass(frozen=True)
class Letter:
    """Why a raw record is no row, the column it is about if it is about one, and where the record is."""

    reason: str
    column: str | None
    source: str
    origin: Origin


def letter(value: bytes | None) -> Letter | None:
    """The letter in a dead-letter record's value; None if ksqlDB did not write it."""
    try:
        told: Any = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    # A raw record's envelope, which the worker's letters hold, has other fields.
    if not isinstance(told, dict) or told.keys() != LETTER_FIELDS:
        return None
    column = _COLUMN.match(told["reason"])
    origin = (told["topic"], told["partition"], told["offset"])
    return Letter(told["reason"], column[1] if column else None, told["source"], origin)
