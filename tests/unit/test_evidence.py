"""Heartbeats prove how far a stage is, and name the stage that holds them up."""

import json

from dropless.evidence import WAITING, Passage, Stage, held_up_by

P0, P1 = ("raw.orders.store", 0), ("raw.orders.store", 1)


def test_a_heartbeat_has_passed_when_all_that_was_there_is_read() -> None:
    passage = Passage()
    passage.arrived(100.0, {P0: 11, P1: 6})
    passage.read({P0: 10, P1: 4})
    assert passage.through is None
    passage.read({P0: 10, P1: 5})
    assert passage.through == 100.0


def test_a_later_heartbeat_does_not_pass_with_an_earlier_one() -> None:
    passage = Passage()
    passage.arrived(100.0, {P0: 11})
    passage.arrived(105.0, {P0: 21})
    passage.read({P0: 15})
    assert passage.through == 100.0
    passage.read({P0: 20})
    assert passage.through == 105.0


def test_the_same_heartbeat_is_counted_once() -> None:
    passage = Passage()
    passage.arrived(100.0, {P0: 11})
    passage.arrived(100.0, {P0: 500})
    passage.read({P0: 11})
    assert passage.through == 100.0
    assert passage.waiting == []


def test_a_long_stop_is_remembered_in_bounded_memory_and_still_ends() -> None:
    passage = Passage()
    for number in range(500):
        passage.arrived(100.0 + number, {P0: 10 + number})
    assert len(passage.waiting) == WAITING
    passage.read({P0: 9})
    assert passage.through == 100.0
    passage.read({P0: 508})
    assert passage.through == 599.0


def test_what_is_remembered_survives_a_file() -> None:
    passage = Passage(90.0)
    passage.arrived(100.0, {P0: 11})
    again = Passage.remembered(json.loads(json.dumps(passage.as_state())))
    again.read({P0: 11})
    assert again.through == 100.0


def stages(capture: float | None, union: float | None, pinot: float | None) -> tuple[Stage, ...]:
    return (Stage("capture", capture, 25), Stage("union", union, 25), Stage("Pinot", pinot, 25))


def test_the_first_stage_that_is_late_holds_up_the_rest() -> None:
    assert held_up_by(stages(1000, 1000, 1000), now=1020) is None
    for late, name in (((970, 970, 970), "capture"), ((1000, 970, 970), "union"), ((1000, 1000, None), "Pinot")):
        found = held_up_by(stages(*late), now=1000)
        assert found is not None
        assert found.name == name
