"""What must hold on the running Kafka cluster at every moment, judged on what was observed.

The durability table says what is asked for; this says whether the brokers and every topic, Kafka's
own included, live up to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dropless import durability


@dataclass(frozen=True)
class Broker:
    """A broker that answers, with its effective configuration."""

    id: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class Partition:
    """Where a partition's copies are; `leader` is None while there is none."""

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
    """One look at the whole cluster."""

    brokers: tuple[Broker, ...]
    topics: tuple[Topic, ...]


@dataclass(frozen=True)
class Finding:
    """One place where an invariant does not hold."""

    where: str
    expected: str
    found: str
    why: str


@dataclass(frozen=True)
class Invariant:
    """One promise; `protects_data` is False when only data written later is at stake."""

    name: str
    promise: str
    protects_data: bool
    findings: Callable[[Cluster], Iterator[Finding]]


WHY: Final = {setting.name: setting.why for setting in durability.TABLE}
# A value may be stricter than the table asks: more copies, or fewer records and milliseconds until the flush.
AT_LEAST: Final = ("min.insync.replicas", "replication.factor", "min.isr")
AT_MOST: Final = ("flush.interval.messages", "flush.interval.ms", "flush.messages", "flush.ms", "interval.ms")
# What matters only when something is made, not for what already exists.
BIRTH: Final = ("default.replication.factor", "auto.create.topics.enable")


def holds(name: str, required: str, found: str | None) -> bool:
    """Whether a setting's value is as required, or stricter where that is safe."""
    if found is None:
        return False
    if name.endswith(AT_LEAST):
        return int(found) >= int(required)
    if name.endswith(AT_MOST):
        return int(found) <= int(required)
    return found == required


def _brokers(cluster: Cluster) -> Iterator[Finding]:
    if len(cluster.brokers) < durability.REPLICATION_FACTOR:
        names = ", ".join(str(broker.id) for broker in cluster.brokers) or "none"
        yield Finding(
            "the cluster",
            f"{durability.REPLICATION_FACTOR} brokers that answer",
            names,
            "each copy of a partition needs a broker of its own",
        )


def _broker_settings(cluster: Cluster, *, birth: bool) -> Iterator[Finding]:
    for broker in cluster.brokers:
        for name, required in durability.broker().items():
            found = broker.config.get(name)
            if (name in BIRTH) is birth and not holds(name, required, found):
                why = WHY.get(name, "Kafka's own topics would be less safe than ours")
                yield Finding(f"broker {broker.id}, {name}", required, found or "not set", why)


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
    required = durability.topic() | {
        "flush.messages": str(durability.FLUSH_MESSAGES),
        "flush.ms": str(durability.FLUSH_MS),
    }
    why = WHY | {"flush.messages": WHY["log.flush.interval.messages"], "flush.ms": WHY["log.flush.interval.ms"]}
    for topic in cluster.topics:
        for name, value in required.items():
            found = topic.config.get(name)
            if not holds(name, value, found):
                yield Finding(f"topic {topic.name}, {name}", value, found or "not set", why[name])


def _numbers(partitions: list[Partition]) -> str:
    numbers = ", ".join(str(each.number) for each in partitions[:10])
    return f"partition {numbers}" + (f" and {len(partitions) - 10} more" if len(partitions) > 10 else "")


INVARIANTS: Final = (
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
)


def findings(cluster: Cluster) -> dict[str, list[Finding]]:
    """Every invariant's name with the places where it does not hold (none: it holds everywhere)."""
    return {invariant.name: list(invariant.findings(cluster)) for invariant in INVARIANTS}
