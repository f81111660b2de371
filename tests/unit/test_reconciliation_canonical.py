"""One writing of every value: the same hashes from Python and from DuckDB, and none for different rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given, settings
from hypothesis import strategies as some

from dropless.contract import Column, ColumnType, Kind
from dropless.lake.engine import connect
from dropless.lake.schema import arrow_type
from dropless.reconciliation import in_duckdb
from dropless.reconciliation.canonical import (
    MODULUS,
    Digest,
    Hasher,
    Hashes,
    Split,
    Values,
    bucket,
    coarse,
    differing_keys,
    fine,
)
from dropless.union.envelope import key_part
from dropless.union.moments import EPOCH, FIRST, LAST

COLUMNS = tuple(
    Column(name=f"c_{number}", type=str(kind))
    for number, kind in enumerate(
        ["string", "int", "long", "double", "decimal(38,9)", "boolean", "timestamp", "date", "json", "timestamp"]
    )
)
DECIMAL = ColumnType.parse("decimal(38,9)")
VALUES: dict[Kind, some.SearchStrategy[Any]] = {
    Kind.STRING: some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    Kind.INT: some.integers(-(2**31), 2**31 - 1),
    Kind.LONG: some.integers(-(2**63), 2**63 - 1),
    Kind.DOUBLE: some.floats(allow_nan=False, allow_infinity=False),
    Kind.DECIMAL: some.decimals(-(10**28), 10**28, places=9).map(lambda each: f"{each:.9f}"),
    Kind.BOOLEAN: some.booleans(),
    Kind.TIMESTAMP: some.integers(FIRST, LAST),
    Kind.DATE: some.dates().map(date.isoformat),
    Kind.JSON: some.sampled_from(["null", "{}", '{"ä":1.0,"b":[1e3,"\\u2028"]}', '"\x1f"']),
}
ROW = some.fixed_dictionaries({each.name: some.none() | VALUES[each.type.kind] for each in COLUMNS})
KEYS = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def hashes(key: str, values: Values, split: Split) -> Hashes:
    return Hasher(split).hashes(key, values)


def in_arrow(column: Column, value: Any) -> Any:
    if value is None:
        return None
    match column.type.kind:
        case Kind.TIMESTAMP:
            return EPOCH + timedelta(microseconds=value)
        case Kind.DECIMAL:
            return Decimal(value)
        case Kind.DATE:
            return date.fromisoformat(value)
        case _:
            return value


@pytest.fixture(scope="module")
def database() -> Iterator[DuckDBPyConnection]:
    with connect() as made:
        in_duckdb.prepare(made)
        yield made


@given(key=KEYS, row=ROW, at=some.integers(0, len(COLUMNS)))
@settings(max_examples=60, deadline=None)
def test_duckdb_hashes_a_row_as_python_does(
    database: DuckDBPyConnection, key: str, row: dict[str, Any], at: int
) -> None:
    split = Split(COLUMNS[:at], COLUMNS[at:])
    schema = pa.schema(
        [("_key", pa.string()), ("_source", pa.string()), *((c.name, arrow_type(c.type)) for c in COLUMNS)]
    )
    lake = {"_key": key, "_source": "s"} | {each.name: in_arrow(each, row[each.name]) for each in COLUMNS}
    database.register("lake", pa.Table.from_pylist([lake], schema))
    [(source, found, place, *sums)] = database.sql(in_duckdb.rows("lake", {"s": split})).fetchall()
    assert (source, found, place) == ("s", key, bucket(key))
    assert [each % MODULUS for each in sums] == list(hashes(key, row, split)[1:])


@given(key=KEYS, row=ROW)
@settings(max_examples=40, deadline=None)
def test_pinots_answer_is_hashed_as_the_row_without_what_is_finer_than_a_millisecond(
    database: DuckDBPyConnection, key: str, row: dict[str, Any]
) -> None:
    pinot = {"_key": key, "_source": "s"}
    schema = [("_key", pa.string()), ("_source", pa.string())]
    for each in COLUMNS:
        value = row[each.name]
        moment = each.type.kind is Kind.TIMESTAMP
        pinot[each.name] = int(coarse(each.type.kind, value)) if moment and value is not None else value
        plain = each.type.kind in {Kind.DECIMAL, Kind.DATE}
        schema.append((each.name, pa.int64() if moment else pa.string() if plain else arrow_type(each.type)))
    database.register("page", pa.Table.from_pylist([pinot], pa.schema(schema)))
    query = in_duckdb.rows("page", {"s": Split(COLUMNS)}, milliseconds=True)
    [(_, _, _, high, low, finest)] = database.sql(query).fetchall()
    assert (high % MODULUS, low % MODULUS) == hashes(key, row, Split(COLUMNS))[1:3]
    assert finest == 0


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Kind.STRING, "", None),
        (Kind.STRING, "null", None),
        (Kind.STRING, "é", "e\u0301"),
        (Kind.STRING, "a", "a "),
        (Kind.DOUBLE, 0.1, 0.1 + 1e-17 + 2e-17),
        (Kind.LONG, 2**53, 2**53 + 1),
        (Kind.DECIMAL, "1.10", "1.11"),
        (Kind.TIMESTAMP, 0, 3_600_000_000),
        (Kind.JSON, '{"a":1}', '{"a":1.0}'),
    ],
)
def test_different_values_are_written_differently(kind: Kind, one: Any, other: Any) -> None:
    assert coarse(kind, one) != coarse(kind, other)


def test_zero_has_no_sign() -> None:
    assert coarse(Kind.DOUBLE, -0.0) == coarse(Kind.DOUBLE, 0.0)


def test_a_microsecond_is_fine_and_nothing_else_is() -> None:
    assert coarse(Kind.TIMESTAMP, 1_000_001) == coarse(Kind.TIMESTAMP, 1_000_000)
    assert fine(1_000_001) != fine(1_000_000)
    # Before 1970, as Pinot cuts: toward zero.
    assert (coarse(Kind.TIMESTAMP, -1), fine(-1)) == ("0", "-1")


def test_values_that_move_from_a_column_to_the_next_differ() -> None:
    split = Split((Column(name="a", type="string"), Column(name="b", type="string")))
    assert hashes("k", {"a": "x\x1f1:y", "b": None}, split) != hashes("k", {"a": "x", "b": "y"}, split)


def test_two_rows_that_swapped_their_values_differ_in_sum() -> None:
    split = Split((Column(name="a", type="string"),))

    def digest(first: str, second: str) -> Digest:
        made = Digest()
        for key, value in (("k1", first), ("k2", second)):
            made.add(0, hashes(key, {"a": value}, split))
        return made

    assert digest("x", "y").differing(digest("y", "x")) == {0}
    assert not digest("x", "y").differing(digest("x", "y"))


def test_a_row_that_is_there_twice_differs_from_none() -> None:
    made, other = Digest(), Digest()
    row = hashes("k", {}, Split(()))
    made.add(7, row)
    for _ in range(3):
        other.add(7, row)
    assert made.differing(other) == {7}
    other.extend([(7, row), (7, row)], sign=-1)
    assert not made.differing(other)
    assert other.rows == 1


def test_one_row_of_ten_million_is_seen() -> None:
    # Sums alone: ten million rows in two lines.
    made, other = Digest(), Digest()
    for each in range(2**12):
        made.add(each, (2442, each * 7919, each * 104729, 5))
        other.add(each, (2442, each * 7919, each * 104729, 5))
    other.extend([(711, hashes(key_part(4711), {}, Split(())))], sign=-1)
    assert made.rows == other.rows + 1 > 10**7
    assert made.differing(other) == {711}


def test_what_is_finer_than_a_millisecond_counts_only_where_it_is_kept() -> None:
    split = Split((Column(name="a", type="timestamp"),))
    made, other = Digest(), Digest()
    made.add(0, hashes("k", {"a": 1_000_001}, split))
    other.add(0, hashes("k", {"a": 1_000_000}, split))
    assert made.differing(other) == {0}
    assert not made.differing(other, exact=False)


def test_keys_differ_by_their_hashes_by_being_alone_and_by_being_there_twice() -> None:
    ours = {"same": [1, 2, 3], "other": [1, 2, 3], "fine": [1, 2, 3], "ours": [1, 2, 3], "signed": [-1, 0, 0]}
    theirs = [
        ("same", [1, 2, 3]),
        ("other", [1, 9, 3]),
        ("fine", [1, 2, 4]),
        ("theirs", [0, 0, 0]),
        ("signed", [MODULUS - 1, 0, 0]),
    ]
    assert differing_keys(ours, theirs) == {"other", "fine", "ours", "theirs"}
    assert differing_keys(ours, theirs, exact=False) == {"other", "ours", "theirs"}
    assert differing_keys(ours, [*theirs, ("same", [1, 2, 3])], exact=False) == {"same", "other", "ours", "theirs"}


def test_keys_alone_have_hashes_of_their_own() -> None:
    assert hashes("a", {}, Split(())) != hashes("b", {}, Split(()))


def test_what_would_be_fetched_adds_nothing_where_it_is_null() -> None:
    computed, fetched = Column(name="a", type="string"), Column(name="b", type="json")
    row = {"a": "x", "b": None}
    assert hashes("k", row, Split((computed,), (fetched,))) == hashes("k", row, Split((computed,)))
    assert hashes("k", row | {"b": "null"}, Split((computed,), (fetched,))) != hashes("k", row, Split((computed,)))
