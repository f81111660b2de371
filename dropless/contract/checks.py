"""What must hold between the parts of a contract, and between contracts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from dropless import names
from dropless.contract.column_type import Kind
from dropless.contract.identifiers import join
from dropless.contract.literals import on_the_wire
from dropless.contract.problems import Problem, did_you_mean, listed

if TYPE_CHECKING:
    from dropless.contract.expression import Expression
    from dropless.contract.model import Column, Contract, Source

MICROSECONDS_SUFFIX: Final = "_us"
"""A timestamp column X travels as the field X_us."""
EVERY_OTHER: Final = "*"
"""In a source's `ignore`: every column that is not taken."""
MAX_SLOT_LENGTH: Final = 63
_RESERVED_TABLES = {
    "heartbeat": "it would be mistaken for a topic of heartbeats",
    "signals": "it would be mistaken for a topic of signals",
}
_DIVISIBLE = {Kind.DECIMAL, Kind.DOUBLE, Kind.INT, Kind.LONG}


def check(contract: Contract) -> None:
    """Everything that one contract promises beyond the shape of its parts.

    Raises:
        Problem: the first thing that does not hold.
    """
    if contract.name in _RESERVED_TABLES:
        raise Problem(f"is {contract.name!r}, which is reserved: {_RESERVED_TABLES[contract.name]}", ("name",))
    _check_columns(contract)
    _check_time_column(contract)
    _check_sources(contract)


def _check_columns(contract: Contract) -> None:
    seen: set[str] = set()
    timestamps = {column.name for column in contract.columns if column.type.kind is Kind.TIMESTAMP}
    for index, column in enumerate(contract.columns):
        if column.name in seen:
            raise Problem("is declared twice; a column has one declaration", ("columns", index))
        seen.add(column.name)
        owner = column.name.removesuffix(MICROSECONDS_SUFFIX)
        if owner != column.name and owner in timestamps:
            raise Problem(
                f"has a reserved name: the timestamp {owner!r} travels as {column.name!r}; rename it",
                ("columns", index),
            )
        if column.allowed is not None and column.type.kind is not Kind.STRING:
            raise Problem(
                f"lists allowed values for the type {column.type}; only a string column can",
                ("columns", index, "allowed"),
            )


def _check_time_column(contract: Contract) -> None:
    by_name = {column.name: column for column in contract.columns}
    column = by_name.get(contract.time_column)
    path = ("time_column",)
    if column is None:
        timestamps = [name for name, each in by_name.items() if each.type.kind is Kind.TIMESTAMP]
        raise Problem(
            f"is {contract.time_column!r}, which is not a column{did_you_mean(contract.time_column, by_name)}; "
            f"the timestamps are {listed(timestamps)}",
            path,
        )
    if column.type.kind is not Kind.TIMESTAMP:
        raise Problem(f"is {column.name!r}, a {column.type}; it must be a timestamp column", path)
    if column.nullable:
        raise Problem(f"is {column.name!r}, which may be null; declare that column with `nullable: false`", path)


def _check_sources(contract: Contract) -> None:
    seen: set[str] = set()
    origins: dict[object, str] = {}
    for index, source in enumerate(contract.sources):
        path = ("sources", index)
        if source.name in seen:
            raise Problem("is declared twice; each source needs a name of its own", path)
        seen.add(source.name)
        origin = source.postgresql or source.mongodb
        identity = repr(origin.model_dump(exclude={"key"})) if origin else ""
        if identity in origins:
            raise Problem(f"reads the same table as source {origins[identity]!r}; every row would be there twice", path)
        origins[identity] = source.name
        slot = names.slot(contract.name, source.name)
        if len(slot) > MAX_SLOT_LENGTH:
            raise Problem(
                f"makes the replication slot {slot!r} of {len(slot)} characters; PostgreSQL allows {MAX_SLOT_LENGTH}, "
                "so shorten the source's or the table's name",
                (*path, "name"),
            )
        if source.postgresql and source.postgresql.schema_name == names.SOURCE_SCHEMA:
            raise Problem(
                f"is in the schema {names.SOURCE_SCHEMA!r}, which is kept for heartbeats and signals",
                (*path, "postgresql", "table"),
            )
        _check_ignored(contract, source, index)
        _check_mapping(contract, source, index)


def _check_ignored(contract: Contract, source: Source, index: int) -> None:
    path = ("sources", index, "ignore")
    if used := sorted((source.taken | {*source.key}) & {*source.ignore}):
        raise Problem(f"lists {used[0]!r}, which is read", path)
    if EVERY_OTHER in source.ignore and contract.policy(source) == "quarantine":
        raise Problem("ignores every other column, so that `schema_policy: quarantine` would find none", path)


def _check_mapping(contract: Contract, source: Source, index: int) -> None:
    by_name = {column.name: column for column in contract.columns}
    for name, expression in source.columns.items():
        path = ("sources", index, "columns", name)
        if name not in by_name:
            raise Problem(
                f"is not a column of {contract.name!r}{did_you_mean(name, by_name)}; the columns are {listed(by_name)}",
                path,
            )
        try:
            _check_expression(expression, by_name[name], source)
        except Problem as problem:
            raise Problem(problem.message, (*path, *problem.path)) from None
    for column in contract.columns:
        if not column.nullable and column.name not in source.columns:
            raise Problem(
                f"does not say where column {column.name!r} comes from, which must not be null",
                ("sources", index, "columns"),
            )


def _check_expression(expression: Expression, column: Column, source: Source) -> None:
    literals: list[tuple[str, object]] = [
        (operation, getattr(expression, operation))
        for operation in ("constant", "default")
        if getattr(expression, operation) is not None
    ]
    literals += [("values", value) for value in (expression.values or {}).values()]
    for operation, value in literals:
        try:
            wire = on_the_wire(value, column.type)
        except Problem as problem:
            raise Problem(f"{problem.message}; the column is a {column.type}", (operation,)) from None
        if column.allowed is not None and wire not in column.allowed:
            raise Problem(
                f"gives {value!r}, which is not allowed{did_you_mean(str(value), column.allowed)}; "
                f"the allowed values are {listed(column.allowed)}",
                (operation,),
            )
    if expression.divide is not None and column.type.kind not in _DIVISIBLE:
        raise Problem(f"works on numbers, and the column is a {column.type}", ("divide",))
    if expression.timezone is not None and column.type.kind is not Kind.TIMESTAMP:
        raise Problem(f"works on local timestamps, and the column is a {column.type}", ("timezone",))
    for path in expression.paths:
        if source.mongodb and any(name.startswith("$") for name in path):
            raise Problem(f"is {join(path)!r}; a field's name does not start with $", ("from",))
    if expression.optional and source.mongodb:
        raise Problem("is for tables; any document may lack a field", ("optional",))
    if expression.optional and not column.nullable:
        raise Problem(f"would leave {column.name!r} null, which must not be null; write a `default`", ("optional",))


def check_together(contracts: Iterable[tuple[str, Contract]]) -> None:
    """That no two contracts make things of the same name; each comes with where it was declared.

    Raises:
        Problem: two do; the message is a whole sentence.
    """
    tables: dict[str, str] = {}
    slots: dict[str, str] = {}
    for where, contract in contracts:
        for made in (contract.name, names.changes_table(contract.name)):
            if made in tables:
                raise Problem(f"The table {made!r} is declared in both {tables[made]} and {where}; rename one.")
            tables[made] = where
        for source in contract.sources:
            slot = names.slot(contract.name, source.name)
            if slot in slots:
                raise Problem(
                    f"{slots[slot]} and {where} would both make the replication slot {slot!r}; rename a source.",
                )
            slots[slot] = where
