"""A unified key from a raw record's key, `<source>:<primary key>`."""

from __future__ import annotations

from typing import Final

from dropless.contract import Source
from dropless.ksqldb import sql
from dropless.ksqldb.fields import OTHER, TEXT, tagged
from dropless.ksqldb.patterns import (
    BINARY,
    CLEAN,
    END,
    INSIDE,
    LONG,
    OBJECT,
    REPLACEMENT,
    SIMPLE,
    TEXTS,
    WHOLE,
    wrapped,
)
from dropless.union.envelope import PREFIX_END, key_columns

RAW_KEY: Final = "`k`"

_WHOLE: Final = f"(?!-0){LONG}"
_QUOTED: Final = '^"'
_WRAPPED: Final = f"{wrapped(TEXTS, SIMPLE)}|{wrapped(WHOLE, _WHOLE)}|{BINARY}"

Reasons = list[tuple[str, str]]
"""Conditions under which a record is a dead letter, with the sentence for each; the first that holds counts."""


def key_reasons(source: Source) -> Reasons:
    """Why a record has no unified key."""
    reasons = [
        (f"{RAW_KEY} IS NULL", "The record has no key: the source's table needs a primary key."),
        (sql.not_json(RAW_KEY), "The key is not valid JSON."),
        (sql.found(REPLACEMENT, RAW_KEY), "The key may hold bytes that are no UTF-8."),
        (sql.lacks(OBJECT, RAW_KEY), "The key is not an object of the primary key's columns."),
    ]
    for name in key_columns(source):
        part = sql.json_field(RAW_KEY, [name])
        missing = f"The key lacks {name!r}, which the contract names as a part of it."
        unknown = f"The key's {name!r} is null, or nothing that ksqlDB writes as the worker does."
        reasons.append((f"{part} IS NULL", missing))
        if source.mongodb:
            reasons.append((sql.lacks(f"^{TEXT}", tagged(RAW_KEY, name, part)), "The key has an id that is not text."))
            reasons.append((sql.not_json(part), "The key is not valid JSON."))
            of_text = f"{sql.found(_QUOTED, part)} AND {sql.lacks(f'^{CLEAN}*{END}', _unquoted(part))}"
            of_other = f"{sql.lacks(_QUOTED, part)} AND {sql.lacks(f'^(?:{_WHOLE}|true|false|{_WRAPPED}){END}', part)}"
            reasons.append((f"({of_text}) OR ({of_other})", unknown))
        else:
            taken = f"^(?:{TEXT}{CLEAN}*|{OTHER}(?:true|false|{_WHOLE})){END}"
            reasons.append((sql.lacks(taken, tagged(RAW_KEY, name, part)), unknown))
    return reasons


def unified_key(source: Source) -> str:
    """The unified key as SQL, of a record that `key_reasons` has nothing against."""
    parts = [_part(sql.json_field(RAW_KEY, [name]), mongodb=source.mongodb is not None) for name in key_columns(source)]
    return f"{sql.literal(source.name + PREFIX_END)} + " + " + ',' + ".join(parts)


def _part(part: str, *, mongodb: bool) -> str:
    if not mongodb:
        return _escaped(part)
    # Debezium writes the id as extended JSON in a text.
    inside = f"COALESCE({sql.extract(f'^{INSIDE}', part, 1)}, {part})"
    return _escaped(sql.case((sql.found(_QUOTED, part), _unquoted(part)), otherwise=inside))


def _unquoted(json_text: str) -> str:
    return sql.json_field(f"'{{\"x\":' + {json_text} + '}}'", ["x"])


def _escaped(text: str) -> str:
    return rf"REPLACE(REPLACE({text}, '\', '\\'), ',', '\,')"
