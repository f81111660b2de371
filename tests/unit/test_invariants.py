"""Each promise of the durability table is seen broken, where it is broken, and nowhere else."""

from dataclasses import replace

import pytest

from dropless import durability
from dropless.invariants import INVARIANTS, Broker, Cluster, Partition, Topic, findings, holds

TOPIC_CONFIG = {
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "flush.messages": "1000",
    "flush.ms": "100",
}


FEATURES = "features_protect_data"


def cluster() -> Cluster:
    brokers = tuple(Broker(number, durability.broker()) for number in (1, 2, 3))
    partitions = tuple(Partition(number, 1, (1, 2, 3), (1, 2, 3)) for number in range(3))
    topics = tuple(Topic(name, partitions, TOPIC_CONFIG) for name in ("__consumer_offsets", "raw.orders.store"))
    return Cluster(brokers, topics, {"eligible.leader.replicas.version": 1, "transaction.version": 2})


def with_broker(number: int, **config: str | None) -> Cluster:
    good = cluster()
    changed = {name.replace("_", "."): value for name, value in config.items()}
    merged = {name: value for name, value in (durability.broker() | changed).items() if value is not None}
    brokers = tuple(Broker(each.id, merged) if each.id == number else each for each in good.brokers)
    return replace(good, brokers=brokers)


def with_partition(partition: Partition, config: dict[str, str] | None = None) -> Cluster:
    good = cluster()
    return replace(good, topics=(*good.topics, Topic("unified.orders", (partition,), TOPIC_CONFIG | (config or {}))))


def broken(observed: Cluster) -> set[str]:
    return {name for name, found in findings(observed).items() if found}


def test_a_cluster_as_configured_breaks_no_promise() -> None:
    assert broken(cluster()) == set()


@pytest.mark.parametrize(
    ("observed", "invariant"),
    [
        (replace(cluster(), brokers=cluster().brokers[:2]), "brokers_answer"),
        (replace(cluster(), silent=(2,)), "brokers_answer"),
        (replace(cluster(), features={"eligible.leader.replicas.version": 0, "transaction.version": 2}), FEATURES),
        (replace(cluster(), features={"eligible.leader.replicas.version": 1}), FEATURES),
        (replace(cluster(), features=None), FEATURES),
        (with_partition(Partition(0, 2, (1, 2, 3), (1, 2, 3))), "preferred_leaders_lead"),
        (with_broker(2, min_insync_replicas="1"), "brokers_keep_the_table"),
        (with_broker(2, unclean_leader_election_enable="true"), "brokers_keep_the_table"),
        (with_broker(2, log_flush_interval_ms=None), "brokers_keep_the_table"),
        (with_broker(2, log_flush_interval_messages="9223372036854775807"), "brokers_keep_the_table"),
        (with_broker(2, auto_create_topics_enable="true"), "new_topics_are_born_safe"),
        (with_broker(2, default_replication_factor="1"), "new_topics_are_born_safe"),
        (with_partition(Partition(0, 1, (1, 2), (1, 2))), "three_replicas"),
        (with_partition(Partition(0, 1, (1, 2, 3), (1, 3))), "all_in_sync"),
        (with_partition(Partition(0, None, (1, 2, 3), (1, 2, 3))), "all_in_sync"),
        (with_partition(Partition(0, 1, (1, 2, 3), (1, 2, 3)), {"min.insync.replicas": "1"}), "topics_keep_the_table"),
        (with_partition(Partition(0, 1, (1, 2, 3), (1, 2, 3)), {"flush.ms": "60000"}), "topics_keep_the_table"),
    ],
)
def test_a_broken_promise_is_found_and_no_other(observed: Cluster, invariant: str) -> None:
    assert broken(observed) == {invariant}


def test_a_finding_says_where_what_and_why() -> None:
    [finding] = findings(with_broker(2, min_insync_replicas="1"))["brokers_keep_the_table"]
    assert finding.where == "broker 2, min.insync.replicas"
    assert (finding.expected, finding.found) == ("2", "1")
    assert finding.why == "acks=all means one copy"


def test_a_broker_that_is_behind_is_named() -> None:
    [finding] = findings(with_partition(Partition(0, 1, (1, 2, 3), (1, 3))))["all_in_sync"]
    assert finding.found == "behind or away: broker 2"


@pytest.mark.parametrize(("name", "required", "found"), [("min.insync.replicas", "2", "3"), ("flush.ms", "100", "1")])
def test_stricter_than_the_table_is_as_good(name: str, required: str, found: str) -> None:
    assert holds(name, required, found)


@pytest.mark.parametrize(
    ("name", "required", "found"),
    [("flush.ms", "100", "101"), ("unclean.leader.election.enable", "false", None)],
)
def test_laxer_or_unknown_is_not(name: str, required: str, found: str | None) -> None:
    assert not holds(name, required, found)


def test_a_displaced_leader_that_could_not_lead_is_no_finding() -> None:
    assert "preferred_leaders_lead" not in broken(with_partition(Partition(0, 2, (1, 2, 3), (2, 3))))


def test_only_what_shapes_later_topics_or_load_is_no_danger_to_data() -> None:
    harmless = [each.name for each in INVARIANTS if not each.protects_data]
    assert harmless == ["new_topics_are_born_safe", "preferred_leaders_lead"]
