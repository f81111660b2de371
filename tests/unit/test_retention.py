"""What a source holds back, and when changes are missing."""

from dataclasses import replace

import pytest

from dropless.retention import Slot, gap, rate, seconds_left

GOOD = Slot(active=True, wal_status="reserved", retained=1000, safe=8000, written=100_000)


def test_time_left_is_what_is_safe_at_the_present_rate() -> None:
    growth = rate((100.0, 60_000), 110.0, GOOD.written)
    assert growth == 4000.0
    assert seconds_left(GOOD, growth) == 2.0


@pytest.mark.parametrize(("slot", "growth"), [(replace(GOOD, safe=None), 4000.0), (GOOD, 0.5)])
def test_without_a_limit_or_growth_no_end_is_in_sight(slot: Slot, growth: float) -> None:
    assert seconds_left(slot, growth) is None


def test_the_first_look_has_no_rate() -> None:
    assert rate(None, 110.0, 100_000) == 0.0


@pytest.mark.parametrize(
    ("seen", "slot", "processed"),
    [(False, GOOD, None), (True, GOOD, 99_000), (True, GOOD, 99_500), (False, None, None), (True, GOOD, None)],
)
def test_a_slot_that_begins_before_what_was_processed_leaves_no_gap(
    *, seen: bool, slot: Slot | None, processed: int | None
) -> None:
    assert gap(slot, processed, seen_before=seen) is None


@pytest.mark.parametrize(
    ("slot", "processed", "reason"),
    [
        (None, 99_000, "is gone"),
        (GOOD, 98_999, "made anew"),
        (replace(GOOD, wal_status="lost"), 99_500, "removed WAL"),
    ],
)
def test_a_gap_is_told_with_its_reason(slot: Slot | None, processed: int, reason: str) -> None:
    assert reason in (gap(slot, processed, seen_before=True) or "")
