from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropless.placement import EVEN, added, described, target


def test_leaders_that_differ_by_one_are_even() -> None:
    assert described({0: [1, 2, 3], 1: [2, 3, 1]}, [1, 2, 3]) == EVEN
    assert described({0: [1, 2, 3], 1: [1, 3, 2]}, [1, 2, 3]) == "broker 1 leads 2 of 2 partitions, broker 2 none"


def test_a_third_replica_is_added_and_nothing_else_moves() -> None:
    before = {0: [1, 2], 1: [2, 3], 2: [3, 1]}
    assert target(before, [1, 2, 3], 3) == {0: [1, 2, 3], 1: [2, 3, 1], 2: [3, 1, 2]}


def test_an_even_topic_stays_where_it_is() -> None:
    assert target({0: [1, 2, 3], 1: [2, 1, 3], 2: [3, 1, 2]}, [1, 2, 3], 3) == {}


def test_too_few_brokers_are_told() -> None:
    with pytest.raises(ValueError, match="3 replicas need 3 brokers"):
        target({0: [1]}, [1, 2], 3)


@st.composite
def placements(draw: st.DrawFn) -> tuple[dict[int, list[int]], list[int]]:
    brokers = list(range(1, draw(st.integers(3, 6)) + 1))
    replicas = st.lists(st.sampled_from(brokers), min_size=1, max_size=len(brokers), unique=True)
    return dict(enumerate(draw(st.lists(replicas, min_size=1, max_size=12)))), brokers


@given(placements())
def test_any_topic_becomes_even_with_three_replicas_each_on_brokers_of_its_own(
    given: tuple[dict[int, list[int]], list[int]],
) -> None:
    before, brokers = given
    after = {**before, **target(before, brokers, 3)}
    assert described(after, brokers) == EVEN
    assert all(len(replicas) == len(set(replicas)) == 3 for replicas in after.values())
    assert target(after, brokers, 3) == {}


@given(placements(), st.integers(1, 6))
def test_added_partitions_keep_leaders_even(given: tuple[dict[int, list[int]], list[int]], more: int) -> None:
    placed, brokers = given
    even = {**placed, **target(placed, brokers, 3)}
    fresh = added(even, brokers, 3, len(even) + more)
    assert len(fresh) == more
    assert described({**even, **dict(enumerate(fresh, len(even)))}, brokers) == EVEN
    assert max(Counter(map(len, map(set, fresh)))) == 3
