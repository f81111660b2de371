import pytest

from dropless.plan import HIDDEN, Action, PropertyChange, Resource, digest, plan


def topic(**properties: object) -> Resource:
    return Resource("kafka", "topic", "raw.orders.store", properties)


def observed(*resources: Resource) -> dict[str, Resource]:
    return {each.id: each for each in resources}


def test_nothing_is_planned_when_the_observed_is_the_desired() -> None:
    assert plan([topic(partitions=3)], observed(topic(partitions=3))).empty


def test_what_nobody_declared_is_left_alone() -> None:
    found = topic(partitions=3, config={"retention.ms": -1, "segment.bytes": 1})
    assert plan([topic(partitions=3, config={"retention.ms": -1})], observed(found)).empty


def test_what_nobody_declared_has_to_go_where_the_whole_is_replaced() -> None:
    desired = Resource("kafka", "topic", "raw.orders.store", {"config": {"a": 1}}, exact=frozenset({"config"}))
    [change] = plan([desired], observed(topic(config={"a": 1, "b": {"c": 2}}, other={"d": 3}))).changes
    assert change.properties == (PropertyChange("config/b/c", 2, None),)


def test_a_missing_resource_is_created_with_every_property() -> None:
    changes = plan([topic(partitions=3, config={"retention.ms": -1})], {}).changes
    assert [change.action for change in changes] == [Action.CREATE]
    assert changes[0].properties == (
        PropertyChange("partitions", None, 3),
        PropertyChange("config/retention.ms", None, -1),
    )


def test_a_drifted_property_is_shown_before_and_after() -> None:
    found = topic(config={"min.insync.replicas": "1"})
    [change] = plan([topic(config={"min.insync.replicas": "2"})], observed(found)).changes
    assert change.action is Action.UPDATE
    assert change.properties == (PropertyChange("config/min.insync.replicas", "1", "2"),)


def test_a_property_that_was_never_set_differs_from_one_set_to_nothing() -> None:
    [change] = plan([topic(config={"a": None})], observed(topic(config={}))).changes
    assert change.properties == (PropertyChange("config/a", None, None),)


def test_an_empty_object_is_a_value_of_its_own() -> None:
    assert not plan([topic(config={})], observed(topic(config="x"))).empty


def test_the_digest_ignores_order_and_hints_but_no_property() -> None:
    one = Resource("kafka", "topic", "a", {"x": 1, "y": {"z": [1, 2]}}, hints={"file": "p"})
    same = Resource("kafka", "topic", "a", {"y": {"z": [1, 2]}, "x": 1})
    other = Resource("kafka", "topic", "a", {"x": 1, "y": {"z": [2, 1]}})
    assert digest([one]) == digest([same]) != digest([other])


@pytest.mark.parametrize(
    ("path", "found", "told"),
    [
        ("database.password", "hush", HIDDEN),
        ("database.password", "${dir:/secrets:old}", "${dir:/secrets:old}"),
        ("connection.string", "mongodb://me:hush@host/?x=1", f"mongodb://{HIDDEN}@host/?x=1"),
        ("max.batch.size", "17", "17"),
    ],
)
def test_a_secret_that_somebody_wrote_in_plain_is_not_told(path: str, found: str, told: str) -> None:
    desired = topic(config={path: "${dir:/secrets:new}"})
    [change] = plan([desired], observed(topic(config={path: found}))).changes
    assert change.properties == (PropertyChange(f"config/{path}", told, "${dir:/secrets:new}"),)
