"""A field of a source's row as ksqlDB sees it, told apart by its JSON type.

EXTRACTJSONFIELD gives the same for the text "null" and for null, for "true" and for true, for "[1]" and for a list,
and the worker does not. Which of the two it is, the row's JSON text says: what follows the field's name there. Where
a field further inside has the same name and is of the other sort, it cannot be known, and the record is a dead letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dropless.contract import Expression
from dropless.ksqldb import sql
from dropless.ksqldb.patterns import END, OBJECT, SPACE, keyed

TEXT: Final = '"'
"""The first character of a tagged text; a number, true, false, null, a list or an object has `OTHER`."""
OTHER: Final = "="
NULL: Final = f"{OTHER}null"
UNKNOWN: Final = "?"
"""A tagged value of which it is not known what it is."""

_OTHER_START: Final = r'[^" \t\r\n]'
_MANY_DIGITS: Final = r"-?(?:(?=[0-9.]{17})[0-9]+[.]|[0-9.]+[eE])"
# What a field may be from which a path goes on: an object that wraps no value of extended JSON, or null.
_NO_WAY_IN: Final = rf'(?!\{{{SPACE}(?:"(?!\$)|\}})|null)[^ \t\r\n]'


@dataclass(frozen=True)
class Field:
    """What an expression reads, as SQL over a row's JSON text.

    `text` is the value as EXTRACTJSONFIELD gives it, `tagged` the same after `TEXT` or `OTHER`; both are NULL where
    the row has no such field. Only where none of `unreadable` holds may they be evaluated.
    """

    text: str
    tagged: str
    unreadable: tuple[str, ...]
    dropped: str | None
    """The condition that a table's row has none of the columns; None where that cannot be or does not matter."""
    inexact: tuple[str, ...]
    """Conditions that it is a number of which a double, if ksqlDB reads it as one, does not hold all digits.

    Only within a document of a table, whose numbers the worker takes by their digits.
    """


def field(expression: Expression, row: str, *, mongodb: bool) -> Field:
    """The field that an expression reads of a row, whose JSON text, an object, is the SQL expression `row`."""
    read = [_one(path, row, mongodb=mongodb) for path in expression.paths]
    *rest, text = [each[0] for each in read]
    *rest_tagged, tagged = [each[1] for each in read]
    for earlier, earlier_tagged in zip(reversed(rest), reversed(rest_tagged), strict=True):
        # No COALESCE: it would evaluate a later path that cannot be read.
        text = sql.case((f"{earlier} IS NOT NULL", earlier), otherwise=text)
        tagged = sql.case((f"{earlier} IS NOT NULL", earlier_tagged), otherwise=tagged)
    unreadable: list[str] = []
    for number, (_, _, reasons) in enumerate(read):
        # A path counts only where the row has none of those before it.
        before = [f"{each[0]} IS NULL" for each in read[:number]]
        unreadable += [" AND ".join([*before, f"({reason})"]) for reason in reasons]
    dropped = None
    if not mongodb and not expression.optional and expression.default is None:
        firsts = dict.fromkeys(path[0] for path in expression.paths)
        dropped = " AND ".join(f"{sql.json_field(row, [first])} IS NULL" for first in firsts)
    inexact = () if mongodb else tuple(_inexact(path, row) for path in expression.paths if len(path) > 1)
    return Field(text, tagged, tuple(unreadable), dropped, inexact)


def tagged(document: str, name: str, value: str) -> str:
    """A field's value with what it is: `document` is the JSON text of its object, `value` its untagged text."""
    a_text, another = keyed(name, '"'), keyed(name, _OTHER_START)
    return sql.case(
        (f"{value} IS NULL", "CAST(NULL AS VARCHAR)"),
        (f"{sql.found(a_text, document)} AND {sql.lacks(another, document)}", f"{sql.literal(TEXT)} + {value}"),
        (f"{sql.found(another, document)} AND {sql.lacks(a_text, document)}", f"{sql.literal(OTHER)} + {value}"),
        otherwise=sql.literal(UNKNOWN),
    )


def _inexact(path: Sequence[str], row: str) -> str:
    document = sql.json_field(row, path[:1])
    return sql.found(keyed(path[-1], _MANY_DIGITS), document)


def _one(path: Sequence[str], row: str, *, mongodb: bool) -> tuple[str, str, list[str]]:
    """A path's text, the same tagged, and why it may not be read."""
    first, inner = path[0], path[1:]
    if not inner:
        text = sql.json_field(row, path)
        return text, tagged(row, first, text), []
    reasons = []
    if mongodb:
        # A document has its inner objects as they are.
        document, steps = row, path
        opened = 0
    else:
        # A table's row has a document as text.
        document, steps = sql.json_field(row, [first]), inner
        object_or_null = rf"{OBJECT}|^{SPACE}null{SPACE}{END}"
        unusable = f"{sql.not_json(document)} OR {sql.lacks(object_or_null, document)}"
        reasons.append(f"{document} IS NOT NULL AND ({unusable})")
        opened = 1
    for depth in range(1, len(path) - opened):
        around = sql.json_field(document, steps[: depth - 1]) if depth > 1 else document
        name, here = steps[depth - 1], sql.json_field(document, steps[:depth])
        closed = f"{sql.lacks(keyed(name, ''), around)} OR {sql.found(keyed(name, _NO_WAY_IN), around)}"
        reasons.append(f"{here} IS NOT NULL AND ({closed})")
    text = sql.json_field(document, steps)
    parent = sql.json_field(document, steps[:-1]) if len(steps) > 1 else document
    return text, tagged(parent, steps[-1], text), reasons
