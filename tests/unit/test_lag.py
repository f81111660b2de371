"""Lag counts what a reader still has to read, and standing still is not the same as being behind."""

from dropless.lag import Lag, lags, stalled


def test_a_transaction_s_last_marker_is_not_lag() -> None:
    assert Lag("t", 0, position=10, end=11).records == 0
    assert Lag("t", 0, position=10, end=12).records == 1


def test_a_reader_that_includes_markers_is_not_ahead() -> None:
    assert Lag("t", 0, position=11, end=11).records == 0


def test_a_reader_that_never_said_anything_stands_at_the_start() -> None:
    [lag] = lags(ends={("t", 0): 100}, starts={("t", 0): 40}, read={})
    assert (lag.position, lag.records) == (40, 59)


def test_a_reader_with_work_that_does_not_move_is_stalled() -> None:
    now = [Lag("t", 0, 10, 100), Lag("t", 1, 20, 100), Lag("t", 2, 99, 100)]
    before = {("t", 0): 10, ("t", 1): 5, ("t", 2): 99}
    assert stalled(now, before) == [now[0]]


def test_the_first_look_accuses_nobody() -> None:
    assert stalled([Lag("t", 0, 10, 100)], {}) == []
