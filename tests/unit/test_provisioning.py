"""The order of work and what is printed, with things that live in memory."""

from __future__ import annotations

import json

import pytest

from dropless.cli.changes import show, trees
from dropless.contract import ColumnType, SchemaPolicy
from dropless.contract.proposal import Proposal
from dropless.desired import running
from dropless.errors import DroplessError, Unreachable, Unsafe
from dropless.plan import Action, Change, Plan, PropertyChange, Resource
from resources.provisioning import Survey, by_kind, preview, provision, select, survey
from resources.source_columns import Unknown


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


class Remaking(Memory):
    def replace(self, change, progress):
        self.journal.append(f"replace {change.desired.id}")
        self.things[change.desired.id] = change.desired


def test_a_destructive_change_is_made_only_when_it_is_allowed():
    journal = []
    known = {"topic": Remaking(journal)}
    desired = [thing("topic", "a", unsafe=True), thing("topic", "b", x=1)]
    with pytest.raises(Unsafe):
        provision(desired, known)
    assert journal == []
    provision(desired, known, allow_destructive=True)
    assert journal == ["replace topic:a", "topic:b", "ready topic"]


def test_allowing_it_does_not_help_where_nobody_knows_how():
    with pytest.raises(Unsafe):
        provision([thing("topic", "a", unsafe=True)], {"topic": Memory([])}, allow_destructive=True)


def test_what_a_destructive_change_does_to_others_is_seen_and_mended():
    journal = []

    class Dropping(Remaking):
        def replace(self, change, progress):
            super().replace(change, progress)
            known["connector"].things["connector:c"] = thing("connector", "c", x=0)

    known = {"topic": Dropping(journal), "connector": Memory(journal)}
    connector = thing("connector", "c", x=1)
    provision([connector], known)
    journal.clear()
    provision([thing("topic", "a", unsafe=True), connector], known, allow_destructive=True)
    assert journal == ["replace topic:a", "ready topic", "connector:c", "ready connector"]


def test_servers_that_work_are_restarted_one_after_the_other():
    journal = []
    known = {"process": Memory(journal)}
    provision([thing("process", "broker-1", x=1), thing("process", "broker-2", x=1)], known)
    assert journal == ["process:broker-1", "process:broker-2", "ready process"]
    journal.clear()
    provision([thing("process", "broker-1", x=2), thing("process", "broker-2", x=2)], known)
    assert journal == ["process:broker-1", "ready process", "process:broker-2", "ready process", "ready process"]


class Processes(Memory):
    def pause(self, resource):
        self.journal.append(f"pause {resource.name}")
        del self.things[resource.id]


def test_processes_rest_while_a_topic_of_their_table_starts_over():
    journal = []
    known = {"topic": Memory(journal), "process": Processes(journal)}
    ours = Resource("union", "process", "union-t", {"x": 1}, {"table": "t"})
    server = thing("process", "kafka", x=1)
    provision([ours, server], known)
    journal.clear()
    raw = Resource("kafka", "topic", "raw.t.s", {"x": 1}, {"role": "raw", "table": "t", "epoch": 1})
    provision([raw, ours, server], known)
    assert journal == [
        "ready process",
        "pause union-t",
        "topic:raw.t.s",
        "ready topic",
        "process:union-t",
        "ready process",
    ]


def test_servers_are_started_before_anything_is_looked_at():
    journal = []

    class NeedsServer(Memory):
        def observe(self, desired):
            assert "process:kafka" in known["process"].things
            return super().observe(desired)

    known = {"topic": NeedsServer(journal), "process": Memory(journal)}
    provision([thing("topic", "a", x=1), thing("process", "kafka", x=1)], known)
    assert journal[:2] == ["process:kafka", "ready process"]


class Away(Memory):
    def observe(self, desired):
        raise Unreachable("it does not answer")


def test_what_can_be_seen_is_shown_although_something_is_away(capsys):
    found = survey(DESIRED, {"topic": Memory([]), "connector": Away([])})
    assert len(found.plan.changes) == 2
    show(found, as_json=True)
    *changes, unknown = json.loads(capsys.readouterr().out)
    assert len(changes) == 2
    assert unknown == {"action": "unknown", "kind": "connector", "reason": "it does not answer"}
    show(found, as_json=False)
    assert "? connector: it does not answer" in capsys.readouterr().out


def test_what_would_be_lost_is_shown_with_the_change(capsys):
    found = survey([thing("topic", "a", unsafe=True)], {"topic": Memory([])})
    show(found, as_json=False)
    assert "needs --allow-destructive: would lose data" in capsys.readouterr().out
    show(found, as_json=True)
    [change] = json.loads(capsys.readouterr().out)
    assert (change["destructive"], change["refused"]) == (True, "would lose data")


class Held(Memory):
    """A system in which somebody holds everything back that need not run."""

    def held(self, desired):
        return {each.id: "somebody paused it" for each in desired if "state" not in each.properties}


def test_what_somebody_holds_back_is_told_and_is_no_change(capsys):
    known = {"connector": Held([])}
    connector = thing("connector", "c", x=1)
    provision([connector], known)
    found = survey([connector], known)
    assert found.plan.empty
    show(found, as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"action": "held", "kind": "connector", "name": "c", "reason": "somebody paused it"}
    ]
    show(found, as_json=False)
    printed = capsys.readouterr().out
    assert "= connector:c: somebody paused it, so it stays. `dropless apply --resume` has it run on." in printed
    assert survey([running(connector)], known).held == {}


def test_a_connector_whose_source_is_replaced_runs_again_and_no_other_is_resumed():
    journal = []
    known = {"postgresql_source": Remaking(journal), "connector": Memory(journal)}
    connectors = [thing("connector", "c", x=1), thing("connector", "d", x=1)]
    provision(connectors, known)
    for each in connectors:
        known["connector"].things[each.id] = thing("connector", each.name, x=1, state="STOPPED")
    journal.clear()
    provision([thing("postgresql_source", "c", unsafe=True), *connectors], known, allow_destructive=True)
    assert "connector:c" in journal
    assert "connector:d" not in journal


PLAN = Plan(
    (
        Change(Action.CREATE, DESIRED[1], (PropertyChange("partitions", None, 3),)),
        Change(Action.UPDATE, DESIRED[0], (PropertyChange("config/tasks.max", "2", "1"),)),
    )
)


def test_a_plan_is_printed_by_system_with_before_and_after(capsys):
    show(Survey(PLAN, {}, {}), as_json=False)
    printed = capsys.readouterr().out
    assert "+ topic b" in printed
    assert "partitions: 3" in printed
    assert "~ connector c" in printed
    assert 'config/tasks.max: "2" -> "1"' in printed
    assert "1 to create, 1 to change" in printed
    assert len(trees(Survey(PLAN, {}, {}))) == 1


def test_a_plan_for_machines_is_json(capsys):
    show(Survey(PLAN, {}, {}), as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        each | {"refused": None, "destructive": False, "note": None} for each in PLAN.as_json()
    ]


def test_a_column_that_the_contract_does_not_know_is_told_with_what_can_be_done(capsys):
    type_ = ColumnType.parse("decimal(10,2)")
    for policy, remedy in (
        (SchemaPolicy.EVOLVE, '`dropless evolve orders --write` adds it as {name: discount, type: "decimal(10,2)"}.'),
        (SchemaPolicy.FREEZE, "it is not taken; take it, or list it in `ignore`."),
        (SchemaPolicy.QUARANTINE, "rows with a value in it are dead letters until it is taken, or listed in `ignore`."),
    ):
        unknown = Unknown("orders", policy, Proposal("store", "discount", "discount", type_, optional=True))
        show(Survey(Plan(()), {}, {}), as_json=False, unknown=[unknown])
        told = capsys.readouterr().out
        assert f"! Source 'store' of 'orders' has a column 'discount' that the contract does not know: {remedy}" in told
        show(Survey(Plan(()), {}, {}), as_json=True, unknown=[unknown])
        [notice] = json.loads(capsys.readouterr().out)
        assert (notice["action"], notice["policy"], notice["reason"]) == ("notice", policy.value, str(unknown))
