"""Lag counts what a reader still has to read, and standing still is not the same as being behind."""

from dropless.lag import MARKS, Lag, lags, marked, seconds_behind, stalled, trend


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


def test_the_age_of_the_first_unread_record_is_counted_from_the_look_at_which_it_was_not_there_yet() -> None:
    marks = marked([], Lag("t", 0, position=10, end=10), now=100.0)
    marks = marked(marks, Lag("t", 0, position=10, end=20), now=110.0)
    assert seconds_behind(marks, Lag("t", 0, position=10, end=20), now=115.0) == 15.0
    assert seconds_behind(marks, Lag("t", 0, position=20, end=20), now=115.0) == 0.0


def test_marks_that_a_reader_has_passed_go_and_never_grow_beyond_their_number() -> None:
    marks = []
    for look in range(100):
        marks = marked(marks, Lag("t", 0, position=0, end=10 * look + 10), now=float(look))
        assert len(marks) <= MARKS
    assert seconds_behind(marks, Lag("t", 0, position=0, end=1000), now=100.0) == 100.0
    assert marked(marks, Lag("t", 0, position=1000, end=1000), now=101.0)[-1] == (101.0, 1000)
    assert len(marked(marks, Lag("t", 0, position=1000, end=1000), now=101.0)) == 2


def test_the_trend_is_records_a_second_and_nothing_at_the_first_look() -> None:
    assert trend(None, 10.0, 50) == 0.0
    assert trend((0.0, 100), 10.0, 50) == -5.0
    assert trend((10.0, 100), 10.0, 50) == 0.0
