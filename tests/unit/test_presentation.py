"""What the UI shows of a plan is short, whole where it matters, and safe in a table."""

from dropless.plan import Resource, plan
from pipeline_assets.presentation import CELL, first_difference, plan_metadata, plan_table


def topic(**config: object) -> Resource:
    return Resource("kafka", "topic", "raw.orders.store", {"config": config})


def test_an_empty_plan_is_a_number() -> None:
    assert list(plan_metadata(plan([], {}))) == ["changes"]


def test_a_change_is_a_row_per_property() -> None:
    changes = plan([topic(a="2", b="x|y")], {"topic:raw.orders.store": topic(a="1")})
    assert plan_table(changes.changes).splitlines()[2:] == [
        "| update | raw.orders.store | config/a | 1 | 2 |",
        "| update | raw.orders.store | config/b |  | x\\|y |",
    ]


def test_the_first_difference_is_told_in_a_sentence() -> None:
    one = plan([topic(a="2")], {"topic:raw.orders.store": topic(a="1")})
    assert first_difference(one) == "raw.orders.store: config/a is 1, declared 2."
    two = plan([topic(a="2", b="3")], {"topic:raw.orders.store": topic()})
    assert first_difference(two) == "raw.orders.store: config/a is not set, declared 2, and 1 more."


def test_a_long_value_is_cut_in_the_table_and_whole_beside_it() -> None:
    long = plan([topic(a="x" * 500)], {"topic:raw.orders.store": topic(a="1")})
    shown = plan_metadata(long)
    assert f"| {'x' * (CELL - 1)}… |" in str(shown["plan"].value)
    assert "x" * 500 in str(shown["plan_json"].value)
