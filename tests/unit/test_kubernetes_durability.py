"""Each row of the durability table that Kubernetes is told of, read back from what would be installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from charts import environment, installed, one, rendered

from dropless import durability
from dropless.kubernetes.installation import Installation
from resources.helm import Rendered

# As the specification writes it.
PRODUCER = {"acks": "all", "enable.idempotence": "true", "max.in.flight.requests.per.connection": "1"}
CONSUMER = {"enable.auto.commit": "false", "isolation.level": "read_committed"}
BROKER = {
    "default.replication.factor": "3",
    "auto.create.topics.enable": "false",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
}
BOTH = ["seed", "laptop"]

# What somebody might write into a values file, and nothing comes of it.
WEAKER = Installation.model_validate(
    {
        "values": {
            "kafka": {
                "config": {"min.insync.replicas": "1", "auto.create.topics.enable": "true"},
                "connect": {"config": {"producer.acks": "1", "offset.storage.replication.factor": "1"}},
            },
            "ksqldb": {"configuration": {"ksql.streams.processing.guarantee": "at_least_once"}},
            "rest-proxy": {"configuration": {"producer.acks": "1"}},
        }
    }
)


def _brokers(of: Mapping[str, Rendered]) -> dict[str, str]:
    config: dict[str, str] = one(of["kafka"], "Kafka")["spec"]["kafka"]["config"]
    return config


def _connect(of: Mapping[str, Rendered]) -> dict[str, str]:
    config: dict[str, str] = one(of["kafka"], "KafkaConnect")["spec"]["config"]
    return config


def _variables(of: Mapping[str, Rendered], release: str, kind: str) -> dict[str, Any]:
    return environment(one(of[release], kind, release)["spec"]["template"])


def _variable(prefix: str, name: str) -> str:
    return f"{prefix}_{name.replace('.', '_').upper()}"


@pytest.mark.parametrize("size", BOTH)
@pytest.mark.parametrize("name", BROKER)
def test_brokers_run_with_the_broker_layer(size: str, name: str) -> None:
    assert _brokers(installed(size))[name] == BROKER[name]


@pytest.mark.parametrize("size", BOTH)
def test_brokers_flush_often(size: str) -> None:
    config = _brokers(installed(size))
    assert int(config["log.flush.interval.messages"]) <= 1000
    assert int(config["log.flush.interval.ms"]) <= 100
    assert int(config["log.flush.scheduler.interval.ms"]) <= int(config["log.flush.interval.ms"])


@pytest.mark.parametrize("size", BOTH)
def test_brokers_keep_three_copies_of_internal_topics(size: str) -> None:
    config = _brokers(installed(size))
    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        assert config[f"{topic}.replication.factor"] == "3"
    for topic in ("transaction.state.log", "share.coordinator.state.topic"):
        assert config[f"{topic}.min.isr"] == "2"


@pytest.mark.parametrize("name", PRODUCER)
def test_producers_run_with_the_producer_layer(name: str) -> None:
    assert _connect(installed())[f"producer.{name}"] == PRODUCER[name]
    ksqldb = _variables(installed(), "ksqldb", "StatefulSet")
    assert ksqldb[_variable("KSQL_KSQL_STREAMS_PRODUCER", name)] == PRODUCER[name]


@pytest.mark.parametrize("name", CONSUMER)
def test_consumers_run_with_the_consumer_layer(name: str) -> None:
    assert _connect(installed())[f"consumer.{name}"] == CONSUMER[name]
    ksqldb = _variables(installed(), "ksqldb", "StatefulSet")
    assert ksqldb[_variable("KSQL_KSQL_STREAMS_CONSUMER", name)] == CONSUMER[name]
    rest = _variables(installed(), "rest-proxy", "Deployment")
    assert rest[_variable("KAFKA_REST_CONSUMER", name)] == CONSUMER[name]


def test_the_rest_proxy_lacks_idempotence_only_and_may_not_write_to_our_topics() -> None:
    rest = _variables(installed(), "rest-proxy", "Deployment")
    assert rest["KAFKA_REST_PRODUCER_ACKS"] == "all"
    assert rest["KAFKA_REST_PRODUCER_MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION"] == "1"
    # It would be ignored, so it is not claimed.
    assert "KAFKA_REST_PRODUCER_ENABLE_IDEMPOTENCE" not in rest
    acls = one(installed()["kafka"], "KafkaUser", "rest-proxy")["spec"]["authorization"]["acls"]
    topics = {each["resource"]["name"] for each in acls if each["resource"]["type"] == "topic"}
    assert topics == {"rest."}


@pytest.mark.parametrize("size", BOTH)
def test_streams_are_exactly_once_with_three_copies(size: str) -> None:
    ksqldb = _variables(installed(size), "ksqldb", "StatefulSet")
    assert ksqldb["KSQL_KSQL_STREAMS_PROCESSING_GUARANTEE"] == "exactly_once_v2"
    assert ksqldb["KSQL_KSQL_STREAMS_REPLICATION_FACTOR"] == "3"
    assert ksqldb["KSQL_KSQL_INTERNAL_TOPIC_REPLICAS"] == "3"
    assert ksqldb["KSQL_KSQL_INTERNAL_TOPIC_MIN_INSYNC_REPLICAS"] == "2"
    assert ksqldb["KSQL_KSQL_SINK_REPLICAS"] == "3"
    assert _connect(installed(size))["exactly.once.source.support"] == "enabled"


@pytest.mark.parametrize("size", BOTH)
def test_connects_and_the_registrys_topics_have_three_copies(size: str) -> None:
    config = _connect(installed(size))
    for store in ("config", "offset", "status"):
        assert config[f"{store}.storage.replication.factor"] == "3"
    registry = _variables(installed(size), "schema-registry", "Deployment")
    assert registry["SCHEMA_REGISTRY_KAFKASTORE_TOPIC_REPLICATION_FACTOR"] == "3"


def test_no_values_file_weakens_the_table() -> None:
    of = rendered(WEAKER, "kafka", "ksqldb", "rest-proxy")
    assert _brokers(of) == _brokers(installed())
    assert _connect(of) == _connect(installed())
    for release, kind in (("ksqldb", "StatefulSet"), ("rest-proxy", "Deployment")):
        assert _variables(of, release, kind) == _variables(installed(), release, kind)


def test_ksqldb_takes_statements() -> None:
    ksqldb = _variables(installed(), "ksqldb", "StatefulSet")
    assert not any("QUERIES_FILE" in name for name in ksqldb)


def test_every_row_of_the_table_is_one_of_these() -> None:
    assert durability.layer("producer") == PRODUCER
    assert durability.layer("consumer") == CONSUMER
    flushing = {"log.flush.interval.messages", "log.flush.interval.ms"}
    assert durability.layer("broker").keys() == BROKER.keys() | flushing
    assert durability.layer("streams") == {"replication.factor": "3", "processing.guarantee": "exactly_once_v2"}
