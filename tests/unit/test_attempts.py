"""A repair is asked for when something new ails for a while, and not for ever."""

import json

from dropless.attempts import MOST, WITHIN_SECONDS, Ailment, Requests

TASK = Ailment("task:orders.store", "FAILED")
DRIFT = Ailment("drift:topic:raw.orders.store", "min.insync.replicas")


def test_what_ails_for_one_look_only_is_left_alone() -> None:
    requests = Requests({})
    assert [requests.look([TASK], 0), requests.look([], 30), requests.look([TASK], 60)] == [None, None, None]


def test_one_run_is_asked_for_while_the_set_stays_the_same() -> None:
    requests = Requests({})
    requests.look([TASK], 0)
    key = requests.look([TASK], 30)
    assert key
    for now in range(60, 6000, 30):
        again = Requests(json.loads(json.dumps(requests.as_state())))
        assert again.look([TASK], now) is None
        requests = again


def test_another_ailment_is_another_run_and_one_less_is_none() -> None:
    requests = Requests({})
    requests.look([TASK], 0)
    first = requests.look([TASK], 30)
    requests.look([TASK, DRIFT], 60)
    second = requests.look([TASK, DRIFT], 90)
    assert first
    assert second
    assert first != second
    assert requests.look([DRIFT], 120) is None


def test_what_comes_back_is_another_run_but_not_for_ever() -> None:
    requests, keys = Requests({}), []
    for now in range(0, 40 * 30, 120):
        keys += [requests.look([TASK], now), requests.look([TASK], now + 30), requests.look([], now + 60)]
    asked = [key for key in keys if key]
    assert len(asked) == len(set(asked)) == MOST
    requests.look([TASK], 1300)
    assert requests.given_up == [TASK.id]
    later = 1300 + WITHIN_SECONDS
    requests.look([], later)
    requests.look([TASK], later + 30)
    assert requests.given_up == []
    assert requests.look([TASK], later + 60)
