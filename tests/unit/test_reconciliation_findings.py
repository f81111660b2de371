"""What counts as a finding: what differed at two fences, and was not touched between them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from dropless.contract import Column
from dropless.reconciliation.findings import Finding, Suspects, Wrong, compared
from dropless.reconciliation.keys import parts_of, source_of
from dropless.reconciliation.mapped import Refused
from dropless.union.envelope import key_part
from resources.reconcile_repair import deletion

COLUMNS = (
    Column(name="amount", type="decimal(18,2)"),
    Column(name="who", type="string", pii=True),
    Column(name="at", type="timestamp"),
    Column(name="details", type="json"),
)
ROW = {"amount": "1.10", "who": "ann@example.com", "at": 1_000_123, "details": '{"a":1e3}'}
TEXT = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(some.lists(TEXT, min_size=1, max_size=4))
def test_a_unified_key_is_taken_apart_as_it_was_put_together(parts: list[str]) -> None:
    key = "store:" + ",".join(key_part(part) for part in parts)
    assert source_of(key) == "store"
    assert parts_of(key) == tuple(parts)


def find(found: Any, expected: Any = ROW, **more: bool) -> Finding | None:
    return compared("lake", "store:1", expected, found, COLUMNS, **more)


def test_each_way_to_differ_has_its_name() -> None:
    assert find(ROW) is None
    assert find(None, None) is None
    assert find(None).what is Wrong.MISSING
    assert find(ROW, None).what is Wrong.EXTRA
    assert find(ROW, doubled=True).what is Wrong.DOUBLED
    wrong = find(ROW | {"amount": "1.1"})
    assert (wrong.what, wrong.columns) == (Wrong.DIFFERENT, ("amount",))
    assert wrong.detail == 'amount is "1.1" instead of "1.10"'


def test_a_null_is_no_value() -> None:
    assert find(ROW | {"who": None}).columns == ("who",)
    assert find(ROW, ROW | {"at": None}).columns == ("at",)


def test_personal_values_are_not_shown() -> None:
    assert "example.com" not in find(ROW | {"who": "bob@example.com"}).detail


def test_a_dead_letter_is_no_finding() -> None:
    assert find(None, Refused("Column 'amount' cannot take 1e400.")) is None


def test_pinot_keeps_milliseconds_and_writes_numbers_anew() -> None:
    pinot = ROW | {"at": 1_000_000, "details": '{"a":1000.0}'}
    assert find(pinot, milliseconds=True) is None
    assert find(pinot).columns == ("at", "details")
    assert find(pinot | {"at": 2_000_000}, milliseconds=True).columns == ("at",)


@pytest.mark.parametrize("strikes", [0, 1])
def test_only_what_differs_twice_is_a_finding(strikes: int) -> None:
    suspects, wrong = Suspects(), Finding("lake", "k", Wrong.MISSING)
    suspects.suspect("lake", ["k"], strikes)
    for look in range(2 - strikes):
        assert (suspects.findings, suspects.keys) == ([], {"k"}), look
        suspects.judge("lake", "k", wrong, touched=False)
    assert (suspects.findings, suspects.keys) == ([wrong], set())


def test_a_row_that_was_touched_tells_nothing() -> None:
    suspects = Suspects()
    suspects.suspect("lake", ["k"], 1)
    for _ in range(5):
        suspects.judge("lake", "k", Finding("lake", "k", Wrong.DIFFERENT), touched=True)
    assert (suspects.findings, suspects.of("lake"), suspects.of("pinot")) == ([], ["k"], [])
    suspects.judge("lake", "k", None, touched=False)
    assert not suspects.keys


def test_being_touched_takes_no_strike_back() -> None:
    suspects = Suspects()
    suspects.suspect("lake", ["k"], 1)
    suspects.suspect("lake", ["k"], 0)
    suspects.judge("lake", "k", Finding("lake", "k", Wrong.EXTRA), touched=False)
    assert [each.what for each in suspects.findings] == [Wrong.EXTRA]


def test_a_deletion_is_of_the_row_that_was_there_and_committed_now() -> None:
    made = {"op": "c", "before": None, "after": {"id": 1}, "source": {"ts_us": 5, "lsn": 7, "snapshot": "true"}}
    event = orjson.loads(deletion(orjson.dumps(made), 1_700_000_000_000_001))
    assert (event["op"], event["before"], event["after"]) == ("d", {"id": 1}, None)
    assert event["source"] == {
        "ts_us": 1_700_000_000_000_001,
        "ts_ms": 1_700_000_000_000,
        "lsn": 7,
        "snapshot": "false",
    }
