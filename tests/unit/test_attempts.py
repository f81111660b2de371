"""A repair is asked for when something new ails for a while, and not for ever."""

import json

from dropless.attempts import MOST, PAUSE_SECONDS, WELL_SECONDS, Ailment, Requests

TASK = Ailment("task:orders.store", "FAILED")
DRIFT = Ailment("drift:topic:raw.orders.store", "min.insync.replicas")


def test_what_ails_for_one_look_only_is_left_alone() -> None:
    requests = Requests({})
    assert [requests.look([TASK], 0), requests.look([], 30), requests.look([TASK], 60)] == [None, None, None]


def asked(requests: Requests, start: int, end: int, *ailments: Ailment) -> tuple[Requests, list[int]]:
    """When a run is asked for, looked at twice a minute; what is remembered goes through a file each time."""
    when = []
    for now in range(start, end, 30):
        requests = Requests(json.loads(json.dumps(requests.as_state())))
        if requests.look(ailments, now):
            when.append(now)
    return requests, when


def test_what_stays_is_asked_about_with_longer_pauses_and_then_left_to_people() -> None:
    requests, when = asked(Requests({}), 0, 100_000, TASK)
    assert when == [30, 30 + PAUSE_SECONDS, 30 + 3 * PAUSE_SECONDS]
    assert requests.given_up == [TASK.id]


def test_another_ailment_is_another_run_and_one_less_is_none() -> None:
    requests, when = asked(Requests({}), 0, 90, TASK)
    assert when == [30]
    requests, when = asked(requests, 90, 300, TASK, DRIFT)
    assert when == [120]
    assert asked(requests, 300, 600, DRIFT)[1] == []


def test_what_comes_back_again_and_again_is_asked_about_no_more_often() -> None:
    requests, when = Requests({}), []
    for start in range(0, 12_000, 300):
        requests, now = asked(requests, start, start + 90, TASK)
        when += now
        requests, _ = asked(requests, start + 90, start + 300)
    assert len(when) == MOST


def test_what_has_been_well_for_long_is_new_when_it_ails_again() -> None:
    requests, _ = asked(Requests({}), 0, 10_000, TASK)
    requests, _ = asked(requests, 10_000, 10_060 + int(WELL_SECONDS))
    assert requests.given_up == []
    assert asked(requests, 20_000, 20_090, TASK)[1] == [20_030]


def test_no_two_runs_have_one_key() -> None:
    requests = Requests({})
    found = [requests.look([TASK], now) for now in range(0, 5000, 30)]
    named = [each for each in found if each]
    assert len(named) == len(set(named)) == MOST
