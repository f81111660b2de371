"""A document after an update, made from what it was before and what MongoDB says was changed."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropless.union.update_description import Unusable, updated

BEFORE: dict[str, Any] = {
    "status": "placed",
    "total": {"value": {"$numberDecimal": "1.00"}, "currency": "EUR"},
    "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}, {"sku": "c", "n": 3}],
    "a.b": {"c": 1},
}


def after(**description: Any) -> dict[str, Any]:
    if "updatedFields" in description:
        description["updatedFields"] = json.dumps(description["updatedFields"])
    before = copy.deepcopy(BEFORE)
    found = updated(before, description)
    assert before == BEFORE
    return {name: value for name, value in found.items() if BEFORE.get(name) != value or name not in BEFORE}


def test_a_field_is_set() -> None:
    assert after(updatedFields={"status": "paid"}) == {"status": "paid"}


def test_a_new_field_is_added() -> None:
    assert after(updatedFields={"gift": True}) == {"gift": True}


def test_a_nested_field_is_set_and_the_others_stay() -> None:
    changed = after(updatedFields={"total.value": {"$numberDecimal": "2.50"}})
    assert changed == {"total": {"value": {"$numberDecimal": "2.50"}, "currency": "EUR"}}


def test_an_object_on_the_way_is_made() -> None:
    assert after(updatedFields={"x.y.z": 1}) == {"x": {"y": {"z": 1}}}


def test_an_element_and_a_field_in_it_are_set() -> None:
    changed = after(updatedFields={"lines.0": {"sku": "z"}, "lines.1.n": 9})
    assert changed["lines"] == [{"sku": "z"}, {"sku": "b", "n": 9}, {"sku": "c", "n": 3}]


def test_an_array_grows() -> None:
    assert after(updatedFields={"lines.4": 5})["lines"][3:] == [None, 5]


def test_an_array_is_cut_before_its_elements_are_set() -> None:
    for size in ("size", "newSize"):
        changed = after(truncatedArrays=[{"field": "lines", size: 1}], updatedFields={"lines.0.n": 7})
        assert changed == {"lines": [{"sku": "a", "n": 7}]}


def test_a_field_is_removed_and_an_element_becomes_null() -> None:
    assert "status" not in updated(BEFORE, {"removedFields": ["status"]})
    assert after(removedFields=["lines.0", "lines.1.n"])["lines"] == [None, {"sku": "b"}, {"sku": "c", "n": 3}]
    assert after(removedFields=["total.currency"]) == {"total": {"value": {"$numberDecimal": "1.00"}}}


def test_a_name_with_dots_is_found() -> None:
    assert after(updatedFields={"a.b": 5}) == {"a.b": 5}


def test_a_description_that_says_nothing_changes_nothing() -> None:
    assert updated(BEFORE, {"updatedFields": None, "removedFields": None, "truncatedArrays": None}) == BEFORE


@pytest.mark.parametrize(
    "description",
    [
        {"updatedFields": "{"},
        {"updatedFields": "[]"},
        {"updatedFields": 5},
        {"updatedFields": '{"status.x": 1}'},
        {"updatedFields": '{"lines.x": 1}'},
        {"updatedFields": '{"lines.-1": 1}'},
        {"updatedFields": '{"lines.9.n": 1}'},
        {"updatedFields": '{"lines.999999999": 1}'},
        {"removedFields": ["nowhere.x"]},
        {"removedFields": ["lines.9"]},
        {"removedFields": 5},
        {"truncatedArrays": [{"field": "status", "size": 1}]},
        {"truncatedArrays": [{"field": "lines"}]},
        {"truncatedArrays": ["lines"]},
    ],
)
def test_a_description_that_does_not_fit_is_told(description: dict[str, Any]) -> None:
    with pytest.raises(Unusable):
        updated(BEFORE, description)


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(-(2**63), 2**63 - 1)),
    st.dictionaries(st.sampled_from("abcd"), st.integers(-(2**63), 2**63 - 1)),
)
def test_a_described_difference_gives_the_document_after(before: dict[str, int], wanted: dict[str, int]) -> None:
    changed = {name: value for name, value in wanted.items() if before.get(name) != value}
    removed = [name for name in before if name not in wanted]
    assert updated(before, {"updatedFields": json.dumps(changed), "removedFields": removed}) == wanted
