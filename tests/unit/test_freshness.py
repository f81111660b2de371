"""How stale an answer may be, from the signs of one source."""

from __future__ import annotations

import pytest

from dropless.freshness import Signs, staleness
from resources.freshness import dated

NOW = 10_000.0


class Record:
    """A record of a topic as a consumer has it, written to Kafka at 7 s since 1970."""

    def __init__(self, topic: str, value: bytes) -> None:
        self.topic, self.value = lambda: topic, lambda: value

    def timestamp(self) -> tuple[int, int]:
        return 1, 7000


@pytest.mark.parametrize("value", [b"{no json", b"[]", b"1", b"{}", b'{"source": 1}', b'{"source": {"ts_ms": "x"}}'])
def test_a_raw_record_that_is_no_event_is_dated_by_kafka(value: bytes):
    assert dated(Record("raw.orders.store", value)) == ("store", 7.0)


def test_a_change_event_and_its_row_are_dated_by_their_source():
    assert dated(Record("raw.orders.store", b'{"source": {"ts_ms": 5000}}')) == ("store", 5.0)
    row = b'{"_source": "store", "_committed_at_us": 5000001}'
    assert dated(Record("unified.orders", row)) == ("store", 5.000001)


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


def test_while_a_record_waits_that_nobody_could_date_a_heartbeat_is_no_proof():
    assert staleness(NOW, Signs(NOW - 60, NOW - 60, None, NOW - 4, None, undated=True)) == 60
    assert staleness(NOW, Signs(NOW - 60, NOW - 0.1, NOW - 5, NOW - 4, None, undated=True)) == 5
    assert staleness(NOW, Signs(None, None, None, NOW - 4, None, undated=True)) is None


def test_a_connector_that_works_off_a_backlog_is_not_taken_for_fresh():
    assert staleness(NOW, Signs(NOW - 7200, NOW - 0.1, NOW - 7000, NOW - 1, None)) == 7000


def test_a_dead_connector_grows_stale():
    assert staleness(NOW, Signs(NOW - 500, NOW - 500, None, NOW - 480, None)) == 480


def test_without_any_sign_nothing_is_claimed():
    assert staleness(NOW, Signs(None, None, None, None, None)) is None


def test_clocks_that_disagree_never_give_a_negative_age():
    assert staleness(NOW, Signs(NOW + 2, NOW, None, None, None)) == 0
