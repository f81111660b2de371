"""The example's life cycles: deterministic, bounded, and consistent with themselves."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from dropless.errors import DroplessError
from dropless.example.orders import Change, Kind, LifeCycles, Status
from dropless.example.traffic import Load, Traffic


def changes(cycles: LifeCycles, transactions: int) -> list[Change]:
    return [change for transaction in islice(cycles, transactions) for change in transaction]


def test_the_same_seed_gives_the_same_changes():
    assert changes(LifeCycles("7"), 2000) == changes(LifeCycles("7"), 2000)
    assert changes(LifeCycles("7"), 200) != changes(LifeCycles("8"), 200)


def test_every_kind_of_change_happens_and_some_transactions_hold_several():
    transactions = list(islice(LifeCycles("7", faults=["broken"], bad_rate=0.01), 3000))
    counts = Counter(change.kind for transaction in transactions for change in transaction)
    assert set(counts) == set(Kind)
    sizes = Counter(len(transaction) for transaction in transactions)
    assert sizes[1] > 2500
    assert max(sizes) > 5


def test_an_order_is_only_changed_while_it_exists_and_moves_through_its_states_in_order():
    status: dict[int, Status] = dict.fromkeys(range(100), Status.PLACED)
    removed: set[int] = set()
    before = {Status.PAID: Status.PLACED, Status.SHIPPED: Status.PAID, Status.DELIVERED: Status.SHIPPED}
    for change in changes(LifeCycles("7", adopted=[Status.PLACED] * 100), 20_000):
        number = change.number
        match change.kind:
            case Kind.PLACE:
                assert number not in status
                assert number not in removed
                status[number] = change.values["status"]
            case Kind.RESTORE:
                removed.remove(number)
                status[number] = change.values["status"]
            case Kind.REMOVE:
                del status[number]
                removed.add(number)
            case Kind.PAY | Kind.SHIP | Kind.DELIVER:
                assert status[number] == before[change.values["status"]]
                status[number] = change.values["status"]
            case Kind.CANCEL:
                assert status[number] in (Status.PLACED, Status.PAID)
                status[number] = Status.CANCELLED
            case _:
                assert number in status


def test_spoilt_orders_come_only_when_asked_for_and_are_never_touched_again():
    assert not [each for each in changes(LifeCycles("7", faults=["broken"]), 5000) if each.kind is Kind.SPOIL]
    played = changes(LifeCycles("7", faults=["broken"], bad_rate=0.1), 5000)
    spoilt = [change.number for change in played if change.kind is Kind.SPOIL]
    assert 0.05 < len(spoilt) / len(played) < 0.15
    assert all(change.kind is Kind.SPOIL for change in played if change.number in set(spoilt))


def test_a_long_run_remembers_a_bounded_number_of_orders():
    cycles = LifeCycles("7")
    changes(cycles, 60_000)
    assert len(cycles._live) <= 4000
    assert len(cycles._removed) <= 4001


@pytest.mark.parametrize(
    ("load", "sentence"),
    [
        (Load(rate=-1, seconds=1), "The rate is -1"),
        (Load(rate=1, seconds=0), "The time is 0 s"),
        (Load(rate=1, seconds=1, bad_rate=2), "The share of bad rows is 2"),
        (Load(rate=1, seconds=1, sources=()), "Name each source once"),
        (Load(rate=1, seconds=1, sources=("store", "store")), "Name each source once"),
        (Load(rate=1, seconds=1, sources=("nix",)), "There is no source 'nix'"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused(load: Load, sentence: str):
    with pytest.raises(DroplessError, match=sentence):
        Traffic(endpoints=None, load=load)  # type: ignore[arg-type]
