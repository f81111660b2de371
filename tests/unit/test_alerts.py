"""A problem alerts once, and once more when it is over; whoever could not be told is told later."""

import json

import pytest

from dropless import alerts
from dropless.alerts import LASTING_SECONDS, OVER_SECONDS, Ledger, Problem

SYNC = Problem("kafka/all_in_sync", "Not all replicas are in sync", "topic raw.orders.store")
SILENT = Problem("pinot/answers", "Pinot does not answer", "")


def looked(ledger: Ledger, now: float, *problems: Problem, channel: str = "log") -> list[tuple[str, bool]]:
    """One tick: look, and tell a channel all that is due; what it was told, as id and whether it is over."""
    ledger.look({each.id: each for each in problems}, now)
    due = ledger.due(channel, now)
    for each in due:
        ledger.told(channel, each)
    return [(each.problem.id, each.over) for each in due]


def test_a_problem_that_lasts_is_told_once() -> None:
    ledger = Ledger({})
    assert looked(ledger, 0, SYNC) == []
    assert looked(ledger, LASTING_SECONDS, SYNC) == [(SYNC.id, False)]
    assert looked(ledger, 500, SYNC) == []
    assert looked(ledger, 530, SYNC, SILENT) == []
    assert looked(ledger, 560, SYNC, SILENT) == [(SILENT.id, False)]


def test_a_problem_that_is_over_is_told_once_more_and_may_begin_anew() -> None:
    ledger = Ledger({})
    looked(ledger, 0, SYNC)
    looked(ledger, 30, SYNC)
    assert looked(ledger, 60) == []
    assert looked(ledger, 30 + OVER_SECONDS) == [(SYNC.id, True)]
    assert looked(ledger, 200) == []
    assert looked(ledger, 300, SYNC) == []
    assert looked(ledger, 330, SYNC) == [(SYNC.id, False)]


def test_a_short_trouble_is_not_told() -> None:
    ledger = Ledger({})
    assert looked(ledger, 0, SYNC) == []
    assert looked(ledger, 10) == []
    assert looked(ledger, 400) == []
    assert ledger.as_state() == {}


def test_a_problem_that_comes_and_goes_is_one_problem() -> None:
    ledger = Ledger({})
    looked(ledger, 0, SYNC)
    assert looked(ledger, 30, SYNC) == [(SYNC.id, False)]
    assert looked(ledger, 60) == []
    assert looked(ledger, 80, SYNC) == []
    assert looked(ledger, 110) == []
    assert looked(ledger, 80 + OVER_SECONDS) == [(SYNC.id, True)]


@pytest.mark.parametrize("later", [60.0, 4000.0])
def test_a_channel_that_did_not_take_it_is_told_again(later: float) -> None:
    ledger = Ledger({})
    looked(ledger, 0, SYNC)
    assert looked(ledger, 30, SYNC) == [(SYNC.id, False)]
    again = Ledger(json.loads(json.dumps(ledger.as_state())))
    assert looked(again, later, SYNC, channel="email") == [(SYNC.id, False)]
    assert looked(again, later + 30, SYNC, channel="log") == []
    assert looked(again, later + 30 + OVER_SECONDS, channel="email") == [(SYNC.id, True)]
    assert looked(again, later + 30 + OVER_SECONDS, channel="log") == [(SYNC.id, True)]
    assert again.as_state() == {}


def test_what_is_there_is_not_over_however_short_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "LASTING_SECONDS", 0.0)
    monkeypatch.setattr(alerts, "OVER_SECONDS", 0.0)
    ledger = Ledger({})
    assert looked(ledger, 0, SYNC) == [(SYNC.id, False)]
    assert looked(ledger, 10, SYNC) == []
    assert looked(ledger, 20) == [(SYNC.id, True)]
