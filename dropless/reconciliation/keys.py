"""Unified keys taken apart again: `<source>:<part>,<part>`, in which a part's commas and backslashes are escaped."""

from __future__ import annotations

import re

from dropless.union.envelope import PREFIX_END

_PART = re.compile(r"((?:[^,\\]|\\.)*)(?:,|$)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def source_of(key: str) -> str:
    """The source that a unified key is of."""
    return key.partition(PREFIX_END)[0]


def parts_of(key: str) -> tuple[str, ...]:
    """The parts of the primary key in a unified key, as texts."""
    text = key.partition(PREFIX_END)[2]
    found, at = [], 0
    while True:
        match = _PART.match(text, at)
        if match is None:
            raise ValueError(f"{key!r} is no unified key")
        found.append(_ESCAPED.sub(r"\1", match[1]))
        at = match.end()
        if at == match.end(1):
            return tuple(found)
