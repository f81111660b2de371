"""How stale an answer may be, from the signs of one source."""

from __future__ import annotations

import pytest

from dropless.freshness import Signs, staleness

NOW = 10_000.0


def test_what_was_captured_but_is_no_row_dates_the_answer_as_well():
    assert staleness(NOW, Signs(NOW - 3600, NOW - 1, NOW - 2, NOW - 3, None)) == 2


def test_under_traffic_the_newest_visible_commit_dates_the_answer():
    assert staleness(NOW, Signs(NOW - 0.6, NOW - 0.2, None, NOW - 3, None)) == pytest.approx(0.6)


def test_an_idle_source_is_as_fresh_as_its_connectors_last_heartbeat():
    assert staleness(NOW, Signs(NOW - 3600, NOW - 3600, None, NOW - 4, None)) == 4


def test_a_source_that_never_had_a_row_is_as_fresh_as_its_heartbeat():
    assert staleness(NOW, Signs(None, None, None, NOW - 4, None)) == 4


def test_a_record_on_its_way_dates_the_answer():
    assert staleness(NOW, Signs(NOW - 3600, NOW - 0.1, None, NOW - 4, NOW - 0.3)) == NOW - (NOW - 0.3)
    assert staleness(NOW, Signs(NOW - 3600, NOW - 90, None, NOW - 4, NOW - 90)) == 90


def test_a_connector_that_works_off_a_backlog_is_not_taken_for_fresh():
    assert staleness(NOW, Signs(NOW - 7200, NOW - 0.1, NOW - 7000, NOW - 1, None)) == 7000


def test_a_dead_connector_grows_stale():
    assert staleness(NOW, Signs(NOW - 500, NOW - 500, None, NOW - 480, None)) == 480


def test_without_any_sign_nothing_is_claimed():
    assert staleness(NOW, Signs(None, None, None, None, None)) is None


def test_clocks_that_disagree_never_give_a_negative_age():
    assert staleness(NOW, Signs(NOW + 2, NOW, None, None, None)) == 0
