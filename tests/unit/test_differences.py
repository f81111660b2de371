"""The comparison finds what is wrong, and only that."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dropless.reconciliation.newest import Row, differences

AT = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
ROW: Row = {"amount": Decimal("12.30"), "count": 1, "gift": False, "details": '{"a":1}', "at": AT, "note": None}


def test_equal_rows_have_no_differences():
    assert list(differences({"a:1": ROW}, {"a:1": dict(ROW)})) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", Decimal("12.31")),
        ("amount", 12.3),
        ("count", 1.0),
        ("count", True),
        ("gift", 0),
        ("details", '{"a":1.0}'),
        ("at", AT.replace(microsecond=678_900)),
        ("note", ""),
        ("note", "null"),
    ],
)
def test_any_other_value_or_type_is_found(column: str, value: object):
    [sentence] = differences({"a:1": ROW}, {"a:1": ROW | {column: value}})
    assert sentence.startswith(f"a:1: {column} is {value!r}")


def test_missing_and_surplus_keys_are_found():
    assert list(differences({"a:1": ROW}, {"a:2": ROW})) == ["a:1 is missing", "a:2 should not be there"]


def test_milliseconds_are_cut_not_rounded_where_the_place_keeps_no_more():
    cut = ROW | {"at": AT.replace(microsecond=678_000)}
    assert list(differences({"a:1": ROW}, {"a:1": cut}, milliseconds=True)) == []
    rounded = ROW | {"at": AT.replace(microsecond=679_000)}
    assert len(list(differences({"a:1": ROW}, {"a:1": rounded}, milliseconds=True))) == 1
