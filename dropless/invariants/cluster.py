"""What must hold on the running Kafka cluster at every moment: brokers, topics, features.

The durability table says what is asked for; this says whether the brokers and every topic, Kafka's
own included, live up to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dropless import durability
from dropless.invariants.model import Finding, Invariant, unkept


@dataclass(frozen=True)
class Broker:
    """A broker that answers, with its effective configuration."""

    id: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class Partition:
    """Where a partition's copies are; `leader` is None while there is none. The first replica is the preferred one."""

    number: int
    leader: int | None
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


@dataclass(frozen=True)
class Topic:
    """A topic with its effective configuration."""

    name: str
    partitions: tuple[Partition, ...]
    config: Mapping[str, str]


@dataclass(frozen=True)
class Cluster:
    """One look at the whole cluster; `features` are the finalised levels, None where nobody could be asked."""

    brokers: tuple[Broker, ...]
    topics: tuple[Topic, ...]
    features: Mapping[str, int] | None = None
    # Brokers that are registered but did not answer when asked for their configuration.
    silent: tuple[int, ...] = ()


# What matters only when something is made, not for what already exists.
BIRTH: Final = ("default.replication.factor", "auto.create.topics.enable")
FEATURES: Final = {
    "eligible.leader.replicas.version": (1, "after the last in-sync replica, a stale one could lead and truncate"),
    "transaction.version": (2, "a late marker of an old transaction could end a new one (KIP-890)"),
}


def _brokers(cluster: Cluster) -> Iterator[Finding]:
    why = "each copy of a partition needs a broker of its own"
    if len(cluster.brokers) < durability.REPLICATION_FACTOR:
        names = ", ".join(str(broker.id) for broker in cluster.brokers) or "none"
        yield Finding("the cluster", f"{durability.REPLICATION_FACTOR} brokers that answer", names, why)
    for silent in cluster.silent:
        yield Finding(f"broker {silent}", "an answer", "none, though it is registered", why)


def _broker_settings(cluster: Cluster, *, birth: bool) -> Iterator[Finding]:
    required = {name: value for name, value in durability.broker().items() if (name in BIRTH) is birth}
    for broker in cluster.brokers:
        yield from unkept(
            f"broker {broker.id}", required, broker.config, "Kafka's own topics would be less safe than ours"
        )


def _replicas(cluster: Cluster) -> Iterator[Finding]:
    for topic in cluster.topics:
        few = [each for each in topic.partitions if len(set(each.replicas)) < durability.REPLICATION_FACTOR]
        if few:
            yield Finding(
                f"topic {topic.name}, {_numbers(few)}",
                f"{durability.REPLICATION_FACTOR} replicas on {durability.REPLICATION_FACTOR} brokers",
                f"{min(len(set(each.replicas)) for each in few)}",
                "it would not survive the loss of two brokers",
            )


def _in_sync(cluster: Cluster) -> Iterator[Finding]:
    for topic in cluster.topics:
        behind = [each for each in topic.partitions if set(each.in_sync) < set(each.replicas)]
        headless = [each for each in topic.partitions if each.leader is None]
        if behind:
            missing = sorted({replica for each in behind for replica in set(each.replicas) - set(each.in_sync)})
            yield Finding(
                f"topic {topic.name}, {_numbers(behind)}",
                "every replica in sync",
                f"behind or away: broker {', '.join(map(str, missing))}",
                "the newest records have fewer copies than promised",
            )
        if headless:
            yield Finding(
                f"topic {topic.name}, {_numbers(headless)}", "a leader", "none", "it can be neither written nor read"
            )


def _topic_settings(cluster: Cluster) -> Iterator[Finding]:
    required = durability.topic() | durability.topic_flushing()
    for topic in cluster.topics:
        yield from unkept(f"topic {topic.name}", required, topic.config)


def _features(cluster: Cluster) -> Iterator[Finding]:
    for name, (level, why) in FEATURES.items():
        found = None if cluster.features is None else cluster.features.get(name, 0)
        if found is None or found < level:
            said = "nobody answered" if found is None else str(found)
            yield Finding(f"the cluster, feature {name}", f"{level} or later", said, why)


def unpreferred(cluster: Cluster) -> list[tuple[str, int]]:
    """Topic and partition where another than the preferred replica leads although that one is in sync."""
    return [
        (topic.name, each.number)
        for topic in cluster.topics
        for each in topic.partitions
        if each.leader is not None and each.leader != each.replicas[0] and each.replicas[0] in each.in_sync
    ]


def _leaders(cluster: Cluster) -> Iterator[Finding]:
    displaced = unpreferred(cluster)
    if displaced:
        shown = ", ".join(f"{topic}[{number}]" for topic, number in displaced[:10])
        yield Finding(
            f"{len(displaced)} partitions, {shown}{' and more' if len(displaced) > 10 else ''}",
            "led by their preferred replica",
            "led by another",
            "one broker does the others' work, and its loss stops more than its share",
        )


def _numbers(partitions: list[Partition]) -> str:
    numbers = ", ".join(str(each.number) for each in partitions[:10])
    return f"partition {numbers}" + (f" and {len(partitions) - 10} more" if len(partitions) > 10 else "")


INVARIANTS: Final[tuple[Invariant[Cluster], ...]] = (
    Invariant("brokers_answer", "As many brokers answer as there are copies of each record.", True, _brokers),
    Invariant(
        "brokers_keep_the_table",
        "Every broker runs with the durability table's settings: min ISR, no unclean election, low flush limits.",
        True,
        lambda cluster: _broker_settings(cluster, birth=False),
    ),
    Invariant(
        "new_topics_are_born_safe",
        "No topic is created by accident, and none with fewer copies than promised.",
        False,
        lambda cluster: _broker_settings(cluster, birth=True),
    ),
    Invariant("three_replicas", "Every topic, Kafka's own too, has three replicas on three brokers.", True, _replicas),
    Invariant("all_in_sync", "Every replica of every partition is in sync and has a leader.", True, _in_sync),
    Invariant(
        "topics_keep_the_table",
        "No topic overrides the durability table: min ISR, no unclean election, low flush limits.",
        True,
        _topic_settings,
    ),
    Invariant(
        "features_protect_data",
        "Eligible leader replicas are tracked, and transactions are guarded against late markers.",
        True,
        _features,
    ),
    Invariant(
        "preferred_leaders_lead",
        "Every partition is led by its preferred replica, where that is in sync.",
        False,
        _leaders,
    ),
)


def findings(cluster: Cluster) -> dict[str, list[Finding]]:
    """Every invariant's name with the places where it does not hold (none: it holds everywhere)."""
    return {invariant.name: list(invariant.findings(cluster)) for invariant in INVARIANTS}
