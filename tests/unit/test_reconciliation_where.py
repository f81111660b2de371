"""A condition on unified columns chooses the same rows in Python, in the lake and in Pinot's answers."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from contracts import orders
from hypothesis import given, settings
from hypothesis import strategies as some
from test_reconciliation_canonical import VALUES, in_arrow

from dropless.contract import Column, Contract
from dropless.contract.column_type import Kind
from dropless.errors import DroplessError
from dropless.lake.engine import connect
from dropless.lake.schema import arrow_type
from dropless.reconciliation import in_postgresql
from dropless.reconciliation.canonical import COARSE_US, towards_zero
from dropless.reconciliation.where import parse

CONTRACT: Contract = orders()
NAMES = {each.name: each for each in CONTRACT.columns}
ASKED = ("currency", "amount", "item_count", "loyalty_points", "gift", "promised_on", "placed_at")
LITERALS = {
    "currency": some.sampled_from(["'EUR'", "''", "'it''s'"]),
    "amount": some.sampled_from(["12.34", "-5", "0.001", "'99.90'"]),
    "item_count": some.integers(-(2**31), 2**31 - 1).map(str),
    "loyalty_points": some.integers(-(2**63) + 1, 2**63 - 1).map(str),
    "gift": some.sampled_from(["true", "false"]),
    "promised_on": some.dates().map(lambda each: f"date '{each}'"),
    "placed_at": some.datetimes().map(lambda each: f"'{each.replace(microsecond=each.microsecond // 1000 * 1000)}'"),
}
TEXTS = {
    "currency": some.sampled_from(["EUR", "USD", "", "it's", "é"]),
    "amount": some.decimals(-1000, 1000, places=2).map(lambda each: f"{each:.2f}"),
}


@some.composite
def leaves(draw: some.DrawFn) -> str:
    name = draw(some.sampled_from(ASKED))
    literal = LITERALS[name]
    symbol = draw(some.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
    return draw(
        some.sampled_from(
            [
                f"{name} {symbol} {draw(literal)}",
                f"{draw(literal)} {symbol} {name}",
                f"{name} is null",
                f"{name} is not null",
                f"{name} in ({draw(literal)}, {draw(literal)})",
                f"{name} not between {draw(literal)} and {draw(literal)}",
            ]
        )
    )


CONDITIONS = some.recursive(
    leaves(),
    lambda inner: some.one_of(
        some.tuples(inner, inner).map(lambda two: f"({two[0]} and {two[1]})"),
        some.tuples(inner, inner).map(lambda two: f"({two[0]} or {two[1]})"),
        inner.map(lambda one: f"not ({one})"),
    ),
    max_leaves=5,
)
ROW = some.fixed_dictionaries({name: some.none() | TEXTS.get(name, VALUES[NAMES[name].type.kind]) for name in ASKED})


@settings(max_examples=60, deadline=None)
@given(CONDITIONS, some.lists(ROW, min_size=1, max_size=6))
def test_python_the_lake_and_pinots_answers_choose_the_same_rows(text: str, rows: list[dict[str, Any]]):
    # What is finer than a millisecond Pinot does not have.
    rows = [row | {"placed_at": _cut(row["placed_at"])} for row in rows]
    where = parse(CONTRACT, text)
    columns = [NAMES[name] for name in ASKED]
    lake = pa.table(
        {
            each.name: pa.array([in_arrow(each, row[each.name]) for row in rows], arrow_type(each.type))
            for each in columns
        }
    )
    pinot = pa.table({each.name: pa.array([_answer(each, row[each.name]) for row in rows]) for each in columns})
    expected = [number for number, row in enumerate(rows) if where.holds(row)]
    with connect() as database:
        for relation, condition in ((lake, where.in_duckdb()), (pinot, where.in_duckdb(milliseconds=True))):
            numbered = relation.append_column("number", pa.array(range(len(rows))))
            database.register("rows", numbered)
            query = f"select number from rows where {condition} order by number"
            assert [number for (number,) in database.execute(query).fetchall()] == expected, condition


def _cut(value: int | None) -> int | None:
    return None if value is None else towards_zero(value) * COARSE_US


def _answer(column: Column, value: Any) -> Any:
    if column.type.kind is Kind.TIMESTAMP:
        return None if value is None else value // COARSE_US
    return value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nothing = 1", "There is no column 'nothing'"),
        ("item_count = 'three'", "'three' is no value for column 'item_count', which is int"),
        ("item_count = 1.5", "'1.5' is no value"),
        ("amount = 'NaN'", "'NaN' is no value"),
        ("placed_at > 'yesterday'", "'yesterday' is no value"),
        ("weight_kg > 1", "Column 'weight_kg' is double: it can only be asked for IS NULL"),
        ("details = '{}'", "can only be asked for IS NULL"),
        ("lower(currency) = 'eur'", "is not understood: only comparisons"),
        ("currency like 'E%'", "is not understood"),
        ("amount > item_count", "is not understood"),
        ("1 = 1", "is not understood"),
        ("exists (select 1)", "is not understood"),
        ("gift) or (true", "is not understood"),
        ("1=1); drop table orders; --", "cannot be read"),
        ("gift = ", "cannot be read"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_reason(text: str, why: str):
    with pytest.raises(DroplessError, match=why.replace("(", r"\\(")):
        parse(CONTRACT, text)


TYPES = {
    "id": "bigint",
    "customer_no": "integer",
    "total_cents": "bigint",
    "currency": "character(3)",
    "state": "character(1)",
    "pieces": "smallint",
    "points": "bigint",
    "weight_g": "integer",
    "is_gift": "boolean",
    "promised": "date",
    "notes": "jsonb",
    "created": "timestamp without time zone",
    "changed": "timestamp without time zone",
}


def test_postgresql_is_asked_by_its_own_columns():
    rows = in_postgresql.written(CONTRACT, CONTRACT.source("store"), TYPES)
    text = (
        "currency >= 'it''s' and (amount < 1.5 or status <> 'paid') and gift is not null and promised_on = '2026-01-01'"
    )
    asked = in_postgresql.chosen(rows, parse(CONTRACT, text).condition).as_string()
    assert 'collate "C" >= ' in asked
    assert "'it''s'" in asked
    assert "::numeric < 1.5" in asked
    assert '"total_cents"' in asked
    assert "(\"promised\"::text)::date = '2026-01-01'" in asked
    with pytest.raises(DroplessError, match="PostgreSQL cannot be asked for column 'details'"):
        in_postgresql.chosen(rows, parse(CONTRACT, "details is null").condition)
