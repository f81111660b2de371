"""ksqlDB's SQL as text. Whatever a contract says gets into a statement through `literal`, `name` or `path` only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dropless.contract import Kind
from dropless.contract.literals import Wire

TYPES: Final = {
    Kind.STRING: "VARCHAR",
    Kind.INT: "INTEGER",
    Kind.LONG: "BIGINT",
    Kind.DOUBLE: "DOUBLE",
    Kind.DECIMAL: "VARCHAR",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TIMESTAMP: "BIGINT",
    Kind.DATE: "VARCHAR",
    Kind.JSON: "VARCHAR",
}
"""A column's type in ksqlDB: decimals and dates travel as text, timestamps as microseconds."""


def literal(text: str) -> str:
    """A text literal; a quote is doubled, and a backslash means itself.

    `${` is taken apart, for ksqlDB would take `${name}` for a variable of the session.
    """
    first, *rest = text.split("${")
    pieces = [first + ("$" if rest else "")]
    pieces += ["{" + piece + ("$" if number < len(rest) - 1 else "") for number, piece in enumerate(rest)]
    quoted = ["'" + piece.replace("'", "''") + "'" for piece in pieces]
    return quoted[0] if len(quoted) == 1 else f"({' + '.join(quoted)})"


def name(identifier: str) -> str:
    """An identifier that keeps its case."""
    return "`" + identifier.replace("`", "``") + "`"


def typed(value: Wire | None, type_: str) -> str:
    """A literal of a type; numbers are cast, so that a small one is no INTEGER among BIGINTs."""
    if value is None:
        return f"CAST(NULL AS {type_})"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return literal(value) if isinstance(value, str) else f"CAST({literal(repr(value))} AS {type_})"


def json_field(document: str, steps: Sequence[str]) -> str:
    """A field of JSON text: text as it is, other values as JSON (null as `null`), NULL where it is missing."""
    subscripts = "".join(f'["{step}"]' for step in steps)
    return f"EXTRACTJSONFIELD({document}, {literal('$' + subscripts)})"


def extract(pattern: str, text: str, group: int | None = None) -> str:
    """What a regular expression finds first, or one of its groups; NULL where it finds nothing."""
    last = "" if group is None else f", {group}"
    return f"REGEXP_EXTRACT({literal(pattern)}, {text}{last})"


def found(pattern: str, text: str) -> str:
    """The condition that a regular expression finds something."""
    return f"{extract(pattern, text)} IS NOT NULL"


def lacks(pattern: str, text: str) -> str:
    """The condition that a regular expression finds nothing, or that there is no text."""
    return f"{extract(pattern, text)} IS NULL"


def not_json(text: str) -> str:
    """The condition that a text, which is not NULL, is not one JSON value and nothing else.

    IS_JSON_STRING is content with a value at the beginning; what comes after it breaks a list or an object around it.
    """
    return f"NOT IS_JSON_STRING('[' + {text} + ']') OR NOT IS_JSON_STRING('{{\"x\":' + {text} + '}}')"


def case(*branches: tuple[str, str], otherwise: str) -> str:
    """The first branch whose condition holds; only searched CASE exists, and what comes after it is not evaluated."""
    if not branches:
        return otherwise
    whens = " ".join(f"WHEN {condition} THEN {result}" for condition, result in branches)
    return f"CASE {whens} ELSE {otherwise} END"


def any_of(conditions: Sequence[str]) -> str:
    """The condition that one of these holds; those after the first that does are not evaluated."""
    return " OR ".join(f"({condition})" for condition in conditions) if len(conditions) > 1 else conditions[0]
