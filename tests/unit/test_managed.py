from __future__ import annotations

import pytest

from resources.managed import managed


def test_what_a_system_adds_is_not_drift():
    desired = {"tableName": "orders", "stream": {"topic": "unified.orders"}}
    found = {"tableName": "orders", "stream": {"topic": "unified.orders", "fetch": "1000"}, "quota": None}
    assert managed(desired, found) == desired


@pytest.mark.parametrize(
    ("desired", "found", "normalised"),
    [
        (3, "3", 3),
        ("3", 3, "3"),
        (True, "true", True),
        ("true", True, "true"),
        (0.5, "0.5", 0.5),
        (3, "three", "three"),
        (True, "yes", "yes"),
        ("3", None, None),
    ],
)
def test_another_way_of_writing_a_value_is_not_drift(desired, found, normalised):
    assert managed({"x": desired}, {"x": found}) == {"x": normalised}


def test_named_items_may_be_reordered_and_are_compared_by_name():
    desired = {"fields": [{"name": "a", "type": "INT"}, {"name": "b", "type": "LONG"}]}
    found = {"fields": [{"name": "b", "type": "INT", "extra": 1}, {"name": "c"}, {"name": "a", "type": "INT"}]}
    assert managed(desired, found) == {"fields": [{"name": "a", "type": "INT"}, {"name": "b", "type": "INT"}]}


def test_a_missing_item_and_a_missing_property_stay_missing():
    assert managed({"fields": [{"name": "a"}], "x": 1}, {"fields": []}) == {"fields": []}


def test_an_unnamed_list_of_another_length_is_shown_whole():
    assert managed({"keys": ["a"]}, {"keys": ["a", "b"]}) == {"keys": ["a", "b"]}


@pytest.mark.parametrize("mask", ["********", "[hidden]", "XXXXXXXX"])
def test_a_value_that_a_system_masks_is_not_drift(mask):
    desired = {"stream": {"password": "${dir:/secrets:kafka}"}}
    assert managed(desired, {"stream": {"password": mask}}) == desired
    assert managed(desired, {"stream": {"password": "another"}}) != desired
