"""The order of work and what is printed, with things that live in memory."""

from __future__ import annotations

import json

import pytest

from dropless.cli.provisioning import show, trees
from dropless.errors import DroplessError, Unsafe
from dropless.plan import Action, Change, Plan, PropertyChange, Resource
from resources.provisioning import by_kind, preview, provision, select


def thing(kind: str, name: str, **properties) -> Resource:
    return Resource("memory", kind, name, properties)


class Memory:
    """A system that keeps what it is given; what is `stubborn` it answers in its own way for ever."""

    def __init__(self, journal, stubborn=None):
        self.journal, self.things, self.stubborn = journal, {}, stubborn or {}

    def observe(self, desired):
        return {
            each.id: Resource(each.system, each.kind, each.name, dict(self.things[each.id].properties) | self.stubborn)
            for each in desired
            if each.id in self.things
        }

    def check(self, change):
        if change.desired.properties.get("unsafe"):
            raise Unsafe("would lose data")

    def apply(self, change):
        self.journal.append(change.desired.id)
        self.things[change.desired.id] = change.desired

    def wait_ready(self, desired, timeout_seconds):
        self.journal.append(f"ready {desired[0].kind}")


DESIRED = [thing("connector", "c", x=1), thing("topic", "b", x=1), thing("topic", "a", x=1)]


def systems(journal, **options):
    return {"connector": Memory(journal, **options), "topic": Memory(journal)}


def test_things_are_made_in_the_order_of_dependency():
    journal = []
    provision(DESIRED, systems(journal))
    assert journal == ["topic:b", "topic:a", "ready topic", "connector:c", "ready connector"]


def test_applying_twice_is_applying_once():
    journal = []
    known = systems(journal)
    assert not provision(DESIRED, known).empty
    journal.clear()
    assert provision(DESIRED, known).empty
    assert journal == ["ready topic", "ready connector"]


def test_a_refusal_comes_before_the_first_change():
    journal = []
    with pytest.raises(Unsafe):
        provision([*DESIRED, thing("connector", "d", unsafe=True)], systems(journal))
    assert journal == []


def test_a_property_that_does_not_settle_is_named():
    with pytest.raises(DroplessError, match=r"connector:c .* property x is 2 instead of 1"):
        provision(DESIRED, systems([], stubborn={"x": 2}), settle_seconds=0)


def test_looking_changes_nothing():
    journal = []
    assert len(preview(DESIRED, systems(journal)).changes) == 3
    assert journal == []


def test_an_unknown_kind_is_refused():
    with pytest.raises(DroplessError, match="how to make a 'castle'"):
        by_kind([thing("castle", "x")])


def test_one_thing_or_one_kind_can_be_selected():
    assert [each.id for each in select(DESIRED, "topic:a")] == ["topic:a"]
    assert [each.id for each in select(DESIRED, "topic")] == ["topic:b", "topic:a"]
    with pytest.raises(DroplessError, match="did you mean 'connector:c'"):
        select(DESIRED, "connecter:c")


PLAN = Plan(
    (
        Change(Action.CREATE, DESIRED[1], (PropertyChange("partitions", None, 3),)),
        Change(Action.UPDATE, DESIRED[0], (PropertyChange("config/tasks.max", "2", "1"),)),
    )
)


def test_a_plan_is_printed_by_system_with_before_and_after(capsys):
    show(PLAN, as_json=False)
    printed = capsys.readouterr().out
    assert "+ topic b" in printed
    assert "partitions: 3" in printed
    assert "~ connector c" in printed
    assert 'config/tasks.max: "2" -> "1"' in printed
    assert "1 to create, 1 to change" in printed
    assert len(trees(PLAN.changes)) == 1


def test_a_plan_for_machines_is_json(capsys):
    show(PLAN, as_json=True)
    assert json.loads(capsys.readouterr().out) == PLAN.as_json()
