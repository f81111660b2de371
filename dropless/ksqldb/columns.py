"""One unified column as SQL: when it cannot be filled, and with what it is."""

from __future__ import annotations

from dataclasses import dataclass

from dropless.contract import Column, Kind, SchemaPolicy, Source
from dropless.contract.identifiers import join
from dropless.contract.literals import on_the_wire
from dropless.contract.model import Contract
from dropless.contract.problems import printable
from dropless.ksqldb import sql
from dropless.ksqldb.fields import NULL, field
from dropless.ksqldb.inexpressible import Inexpressible
from dropless.ksqldb.moments import unfit_zone
from dropless.ksqldb.patterns import END
from dropless.ksqldb.shapes import power_of_ten, shape


@dataclass(frozen=True)
class Filling:
    """How a column is filled from a row's JSON text."""

    rejected: str | None
    """The condition that it cannot be filled; None where it always can."""
    reason: str
    """The sentence for that, which holds no value of the row."""
    value: str
    """What it is filled with, where it is not rejected."""


def check(contract: Contract, source: Source) -> None:
    """Refuse what would give other rows than the worker's.

    Raises:
        Inexpressible: the first thing of the source that ksqlDB cannot do.
    """
    if contract.policy(source) is SchemaPolicy.QUARANTINE:
        policy = "with `schema_policy: quarantine` it would have to look at columns whose names it does not know"
        raise Inexpressible(contract.name, source.name, None, policy)
    for name in source.key if source.postgresql else ():
        if why := _unfit_name(name):
            raise Inexpressible(contract.name, source.name, None, f"its key's {printable(name)!r} {why}")
    for column in contract.columns:
        if why := _unfit(column, source):
            raise Inexpressible(contract.name, source.name, column.name, why)


def _unfit(column: Column, source: Source) -> str | None:
    """Why a column cannot be filled from a source; None if it can."""
    expression = source.columns.get(column.name)
    if expression is None or expression.constant is not None:
        return None
    if column.type.kind is Kind.JSON:
        return "it cannot write JSON with sorted keys and exact numbers, only leave such a column null"
    if power_of_ten(expression.divide) is None:
        return f"it would have to divide by {expression.divide}, and divides exactly by powers of ten only"
    if expression.timezone is not None:
        why = (
            "a document's time with a `timezone` is not compiled" if source.mongodb else unfit_zone(expression.timezone)
        )
        if why:
            return why
    unfit = ((step, _unfit_name(step)) for path in expression.paths for step in path)
    return next((f"the field {printable(step)!r} {why}" for step, why in unfit if why), None)


def filling(column: Column, source: Source, row: str) -> Filling:
    """How a column is filled from a row whose JSON text, an object that is not empty, is the SQL expression `row`."""
    type_ = sql.TYPES[column.type.kind]
    expression = source.columns.get(column.name)
    if expression is None:
        return Filling(None, "", sql.typed(None, type_))
    if expression.constant is not None:
        return Filling(None, "", sql.typed(on_the_wire(expression.constant, column.type), type_))
    mongodb = source.mongodb is not None
    read = field(expression, row, mongodb=mongodb)
    made = shape(column, expression, read, mongodb=mongodb)
    default = None if expression.default is None else on_the_wire(expression.default, column.type)
    may_be_absent = column.nullable or default is not None
    taken = f"^(?:{made.taken}{f'|{NULL}' if may_be_absent else ''}){END}"
    # NULL, where the row has no such field, is not taken by any pattern.
    refused = sql.lacks(taken, read.tagged)
    if may_be_absent:
        refused = f"{read.text} IS NOT NULL AND {refused}"
    reasons = [*read.unreadable, *([read.dropped] if read.dropped else []), refused, *made.unless]
    null = f"{read.tagged} = {sql.literal(NULL)}" if made.null_is_text else f"{read.text} = 'null'"
    absent = f"{read.text} IS NULL OR {null}"
    value = sql.case((absent, sql.typed(default, type_)), otherwise=made.value) if may_be_absent else made.value
    return Filling(sql.any_of(reasons), _reason(column, source), value)


def _reason(column: Column, source: Source) -> str:
    paths = source.columns[column.name].paths
    origin = "` or `".join(printable(join(path)) for path in paths)
    null = "" if column.nullable else "null or "
    why = f"it is {null}missing, or nothing that ksqlDB makes a {column.type} of exactly"
    return f"Column {column.name!r} cannot be filled from `{origin}`: {why}."


def _unfit_name(name: str) -> str | None:
    if '"' in name or "\\" in name:
        return "has a quote or a backslash in its name, with which ksqlDB would not find it in a row for certain"
    return f"begins with {name[0]!r}, which ksqlDB would not find in a row for certain" if name[0] in " :,}]" else None
