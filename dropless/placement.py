"""On which brokers a topic's partitions lie: whether that is even, and the smallest change that makes it so.

A partition's first replica is its preferred leader; all others follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

Placement = Mapping[int, Sequence[int]]
"""The brokers of each partition, the preferred leader first."""

EVEN: Final = "even"


def described(placement: Placement, brokers: Collection[int]) -> str:
    """`even` when every broker is the preferred leader of as many partitions, give or take one; else who is not."""
    leads = _leads(placement, brokers)
    most, least = max(leads, key=leads.__getitem__), min(leads, key=leads.__getitem__)
    if leads[most] - leads[least] <= 1:
        return EVEN
    return f"broker {most} leads {leads[most]} of {len(placement)} partitions, broker {least} {leads[least] or 'none'}"


def target(placement: Placement, brokers: Collection[int], factor: int) -> dict[int, list[int]]:
    """The partitions to place anew, each with its new brokers, so that each has `factor` and leaders are even.

    Replicas stay where they are if they can, since each that moves is copied over the network.

    Raises:
        ValueError: there are fewer brokers than replicas wanted.
    """
    if len(set(brokers)) < factor:
        raise ValueError(f"{factor} replicas need {factor} brokers, and there are {len(set(brokers))}")
    wanted = {number: list(replicas) for number, replicas in sorted(placement.items())}
    load = Counter(dict.fromkeys(sorted(brokers), 0))
    load.update(broker for replicas in wanted.values() for broker in replicas)
    for replicas in wanted.values():
        while len(replicas) > factor:
            gone = max(replicas[1:], key=load.__getitem__)
            replicas.remove(gone)
            load[gone] -= 1
        while len(replicas) < factor:
            come = min((each for each in sorted(brokers) if each not in replicas), key=load.__getitem__)
            replicas.append(come)
            load[come] += 1
    _even_out(wanted, brokers)
    return {number: replicas for number, replicas in wanted.items() if replicas != list(placement[number])}


def added(placement: Placement, brokers: Collection[int], factor: int, total: int) -> list[list[int]]:
    """The brokers of the partitions to add, so that there are `total` and leaders stay even."""
    leads = _leads(placement, brokers)
    load = Counter(broker for replicas in placement.values() for broker in replicas)
    made = []
    for _ in range(total - len(placement)):
        leader = min(sorted(brokers), key=lambda broker: (leads[broker], load[broker]))
        others = sorted((each for each in brokers if each != leader), key=lambda broker: (load[broker], broker))
        replicas = [leader, *others[: factor - 1]]
        leads[leader] += 1
        load.update(replicas)
        made.append(replicas)
    return made


def _even_out(wanted: dict[int, list[int]], brokers: Collection[int]) -> None:
    # Every round lessens the sum of the squares of the counts, so it ends.
    while True:
        leads = _leads(wanted, brokers)
        most, least = max(leads, key=leads.__getitem__), min(leads, key=leads.__getitem__)
        if leads[most] - leads[least] <= 1:
            return
        led = [replicas for replicas in wanted.values() if replicas[0] == most]
        replicas = next((each for each in led if least in each), led[0])
        if least in replicas:
            replicas.remove(least)
        else:
            replicas.pop()
        replicas.insert(0, least)


def _leads(placement: Placement, brokers: Collection[int]) -> Counter[int]:
    leads = Counter(dict.fromkeys(sorted(brokers), 0))
    leads.update(replicas[0] for replicas in placement.values())
    return leads
