"""An alarm does not flutter: it takes some looks in a row to rise and to fall."""

from dropless.hysteresis import Alarm


def after(*values: float, alarm: Alarm = Alarm()) -> Alarm:  # noqa: B008 - frozen
    for value in values:
        alarm = alarm.after(value, raise_above=10, clear_below=5)
    return alarm


def test_one_look_above_raises_nothing() -> None:
    assert not after(11).raised
    assert not after(11, 9, 11).raised


def test_two_looks_in_a_row_raise_it_and_two_clear_it() -> None:
    raised = after(11, 11)
    assert raised.raised
    assert after(4, alarm=raised).raised
    assert not after(4, 4, alarm=raised).raised


def test_between_the_limits_it_stays_as_it_is() -> None:
    assert after(7, 7, 7, alarm=after(11, 11)).raised
    assert not after(7, 7, 7).raised
