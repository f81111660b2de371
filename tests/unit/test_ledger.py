from hypothesis import given
from hypothesis import strategies as st

from dropless.union.ledger import Anomaly, Ledger, Window

RAW = ("raw.t.s", 0)
OUT = ("unified.t", 0)
OTHER = ("unified.t", 1)


def audit(
    raw: list[int], out: list[int], start: int = 0, end: int = 10, early: set[int] | None = None
) -> list[tuple[str, int]]:
    ledger = Ledger({RAW: Window(start, end)})
    ledger.carry({RAW: early or set()})
    for offset in raw:
        ledger.raw(RAW, offset)
    for at, offset in enumerate(out):
        ledger.outcome(OUT, at, RAW, offset)
    return [(each.anomaly.value, each.offset) for each in ledger.close()]


def test_each_record_once_is_no_finding() -> None:
    assert audit([0, 1, 3, 9], [0, 1, 3, 9]) == []


def test_a_record_without_outcome_is_a_lost_write() -> None:
    assert audit([0, 1, 2], [0, 2]) == [("lost-write", 1)]


def test_a_record_with_two_outcomes_is_a_duplicate() -> None:
    assert audit([0, 1], [0, 0, 1]) == [("duplicate", 0)]


def test_an_outcome_of_no_committed_record_is_an_aborted_read() -> None:
    assert audit([0, 2], [0, 1, 2]) == [("aborted-read", 1)]


def test_versions_out_of_order_are_nonmonotonic() -> None:
    assert audit([0, 1], [1, 0]) == [("nonmonotonic", 0)]


def test_order_is_asked_within_one_output_partition_only() -> None:
    ledger = Ledger({RAW: Window(0, 2)})
    for offset in (0, 1):
        ledger.raw(RAW, offset)
    ledger.outcome(OUT, 0, RAW, 1)
    ledger.outcome(OTHER, 0, RAW, 0)
    assert ledger.close() == []


def test_what_came_out_ahead_counts_in_the_next_audit() -> None:
    ledger = Ledger({RAW: Window(0, 2)})
    for offset in (0, 1):
        ledger.raw(RAW, offset)
    for at, offset in enumerate((0, 1, 2)):
        ledger.outcome(OUT, at, RAW, offset)
    assert ledger.close() == []
    assert audit([2, 3], [3], start=2, end=4, early=ledger.early[RAW]) == []
    assert audit([2, 3], [2, 3], start=2, end=4, early=ledger.early[RAW]) == [("duplicate", 2)]


def test_a_record_that_comes_out_again_after_its_audit_is_a_duplicate() -> None:
    assert audit([5], [3, 5], start=5, end=6) == [("duplicate", 3)]


def test_a_replayed_dead_letter_is_no_duplicate() -> None:
    ledger = Ledger({RAW: Window(0, 1)})
    ledger.raw(RAW, 0)
    ledger.outcome(("dead.t", 0), 0, RAW, 0)
    ledger.outcome(OUT, 0, RAW, 0, replayed=True)
    assert ledger.close() == []


@given(st.sets(st.integers(0, 99), min_size=1), st.data())
def test_any_single_fault_is_found_and_named(raw: set[int], data: st.DataObject) -> None:
    records = sorted(raw)
    victim = data.draw(st.sampled_from(records))
    fault = data.draw(st.sampled_from([Anomaly.LOST_WRITE, Anomaly.DUPLICATE]))
    out = [offset for offset in records if fault is not Anomaly.LOST_WRITE or offset != victim]
    if fault is Anomaly.DUPLICATE:
        out.insert(out.index(victim), victim)
    assert audit(records, records, end=100) == []
    assert audit(records, out, end=100) == [(fault.value, victim)]
