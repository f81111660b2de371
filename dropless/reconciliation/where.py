"""A condition on unified columns, which each system can be asked for in its own way.

It is read by DuckDB's parser and never executed as it was written: what is made of it is columns of the contract and
values of their types. Which rows it chooses need not be the same to the last one everywhere (Pinot keeps milliseconds),
since a row that only one system chose is looked at by its key before it becomes a finding.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import duckdb

from dropless.contract import Column, Contract
from dropless.contract.column_type import Kind
from dropless.errors import DroplessError
from dropless.lake.engine import quoted
from dropless.reconciliation.canonical import COARSE_US, Values
from dropless.union.moments import EPOCH, MICROSECOND

Operator = Callable[[Any, Any], bool]

_OPERATORS: Final[Mapping[str, tuple[str, str, Operator]]] = {
    "COMPARE_EQUAL": ("=", "=", operator.eq),
    "COMPARE_NOTEQUAL": ("<>", "<>", operator.ne),
    "COMPARE_LESSTHAN": ("<", ">", operator.lt),
    "COMPARE_LESSTHANOREQUALTO": ("<=", ">=", operator.le),
    "COMPARE_GREATERTHAN": (">", "<", operator.gt),
    "COMPARE_GREATERTHANOREQUALTO": (">=", "<=", operator.ge),
}
_SYMBOLS: Final[Mapping[str, Operator]] = {symbol: function for symbol, _, function in _OPERATORS.values()}
_TAKEN: Final = "comparisons of a column with a value, IN, BETWEEN, IS NULL, AND, OR and NOT"


@dataclass(frozen=True)
class Compare:
    """A column beside a value of its type, as it travels in `Values`; a decimal is a Decimal."""

    column: Column
    symbol: str
    value: Any


@dataclass(frozen=True)
class Null:
    """Whether a column is null."""

    column: Column


@dataclass(frozen=True)
class Not:
    """The opposite; of what is unknown, unknown."""

    child: Condition


@dataclass(frozen=True)
class Joined:
    """All of the children, or with `every` false one of them."""

    children: tuple[Condition, ...]
    every: bool


Condition = Compare | Null | Not | Joined


@dataclass(frozen=True)
class Where:
    """A condition as it was written, and as it was understood."""

    text: str
    condition: Condition

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that it asks for."""
        return tuple({each.name: each for each in _columns(self.condition)}.values())

    def holds(self, row: Values) -> bool:
        """Whether a row fulfils it; unknown is no."""
        return _holds(self.condition, row) is True

    def in_duckdb(self, *, milliseconds: bool = False) -> str:
        """The same for DuckDB, over the lake's columns, or with `milliseconds` over Pinot's answers."""
        return _written(self.condition, lambda leaf: _in_duckdb(leaf, milliseconds=milliseconds))


def parse(contract: Contract, text: str) -> Where:
    """Read a condition.

    Raises:
        DroplessError: it is not of the form that is understood, or names no column, or a value is not of its type.
    """
    query = f"select 1 from rows where ({text}\n)"  # noqa: S608 - parsed, and never executed
    [(answer,)] = duckdb.execute("select json_serialize_sql(?::varchar)", [query]).fetchall()
    parsed = json.loads(answer)
    if parsed["error"]:
        raise DroplessError(f"The condition {text!r} cannot be read: {parsed['error_message'].splitlines()[0]}.")
    columns = {each.name: each for each in contract.columns}
    try:
        [statement] = parsed["statements"]
        return Where(text, _understood(statement["node"]["where_clause"], columns))
    except (KeyError, ValueError):
        raise DroplessError(f"The condition {text!r} is not understood: only {_TAKEN} are.") from None


def _understood(node: Mapping[str, Any], columns: Mapping[str, Column]) -> Condition:
    kind, children = node["type"], node.get("children", [])
    match kind:
        case "CONJUNCTION_AND" | "CONJUNCTION_OR":
            return Joined(tuple(_understood(each, columns) for each in children), kind == "CONJUNCTION_AND")
        case "OPERATOR_NOT":
            return Not(_understood(children[0], columns))
        case "OPERATOR_IS_NULL":
            return Null(_column(children[0], columns))
        case "OPERATOR_IS_NOT_NULL":
            return Not(Null(_column(children[0], columns)))
        case "COMPARE_IN":
            column = _column(children[0], columns)
            return Joined(tuple(_compare(column, "=", each) for each in children[1:]), every=False)
        case "COMPARE_BETWEEN":
            column = _column(node["input"], columns)
            return Joined((_compare(column, ">=", node["lower"]), _compare(column, "<=", node["upper"])), every=True)
        case _:
            symbol, mirrored, _ = _OPERATORS[kind]
            if node["left"]["type"] == "COLUMN_REF":
                return _compare(_column(node["left"], columns), symbol, node["right"])
            return _compare(_column(node["right"], columns), mirrored, node["left"])


def _column(node: Mapping[str, Any], columns: Mapping[str, Column]) -> Column:
    [name] = node["column_names"]
    if name not in columns:
        raise DroplessError(f"There is no column {name!r}: the contract has {', '.join(columns)}.")
    return columns[name]


def _compare(column: Column, symbol: str, node: Mapping[str, Any]) -> Compare:
    # `date '2026-01-01'` is written as a cast.
    literal = (node["child"] if node["type"] == "OPERATOR_CAST" else node)["literal"]
    return Compare(column, symbol, _value(column, literal["text"], literal["kind"]))


def _value(column: Column, text: str, kind: str) -> Any:
    try:
        match column.type.kind, kind:
            case Kind.STRING, "STRING":
                return text
            case ((Kind.INT | Kind.LONG), "INTEGER"):
                return int(text)
            case Kind.DECIMAL, ("INTEGER" | "NUMERIC" | "STRING") if Decimal(text).is_finite():
                return Decimal(text)
            case Kind.BOOLEAN, "BOOLEAN":
                return text == "true"
            case Kind.DATE, "STRING":
                return date.fromisoformat(text).isoformat()
            case Kind.TIMESTAMP, "STRING":
                moment = datetime.fromisoformat(text)
                return (moment.replace(tzinfo=moment.tzinfo or UTC) - EPOCH) // MICROSECOND
    except (ValueError, InvalidOperation):
        pass
    else:
        if column.type.kind in {Kind.DOUBLE, Kind.JSON}:
            raise DroplessError(f"Column {column.name!r} is {column.type}: it can only be asked for IS NULL.")
    raise DroplessError(f"{text!r} is no value for column {column.name!r}, which is {column.type}.")


def _columns(condition: Condition) -> Sequence[Column]:
    match condition:
        case Joined(children):
            return [column for each in children for column in _columns(each)]
        case Not(child):
            return _columns(child)
        case Compare(column) | Null(column):
            return [column]


def _holds(condition: Condition, row: Values) -> bool | None:
    match condition:
        case Joined(children, every):
            found = [_holds(each, row) for each in children]
            decides = not every
            return decides if decides in found else None if None in found else every
        case Not(child):
            held = _holds(child, row)
            return None if held is None else not held
        case Null(column):
            return row[column.name] is None
        case Compare(column, symbol, value):
            has = row[column.name]
            if has is None:
                return None
            return _SYMBOLS[symbol](Decimal(has) if column.type.kind is Kind.DECIMAL else has, value)


def _written(condition: Condition, leaf: Callable[[Compare | Null], str]) -> str:
    match condition:
        case Joined(children, every):
            return f"({(' and ' if every else ' or ').join(_written(each, leaf) for each in children)})"
        case Not(child):
            return f"(not {_written(child, leaf)})"
        case _:
            return leaf(condition)


def _in_duckdb(leaf: Compare | Null, *, milliseconds: bool) -> str:
    column, name = leaf.column, quoted(leaf.column.name)
    if isinstance(leaf, Null):
        return f"({name} is null)"
    match column.type.kind:
        case Kind.TIMESTAMP:
            left = f"{name} * {COARSE_US}" if milliseconds else f"epoch_us({name})"
            right = str(leaf.value)
        case Kind.DECIMAL:
            left, right = f"{name}::{column.type}" if milliseconds else name, f"{leaf.value:f}"
        case Kind.DATE:
            left, right = f"{name}::date", f"date '{leaf.value}'"
        case Kind.STRING:
            left, right = name, "'" + leaf.value.replace("'", "''") + "'"
        case Kind.BOOLEAN:
            left, right = name, str(leaf.value).lower()
        case _:
            left, right = name, str(leaf.value)
    return f"({left} {leaf.symbol} {right})"
