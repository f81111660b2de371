"""Each row of the specification's tables must reach every configuration of its layer."""

from dataclasses import replace
from pathlib import Path

import pytest

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.settings import Settings, Topology

SPECIFICATION = {
    "producer": {"acks": "all", "enable.idempotence": "true", "max.in.flight.requests.per.connection": "1"},
    "streams": {"replication.factor": "3", "processing.guarantee": "exactly_once_v2"},
    "broker": {
        "default.replication.factor": "3",
        "auto.create.topics.enable": "false",
        "min.insync.replicas": "2",
        "unclean.leader.election.enable": "false",
    },
    "consumer": {"enable.auto.commit": "false", "isolation.level": "read_committed"},
}


@pytest.fixture
def endpoints(tmp_path: Path) -> Endpoints:
    return Endpoints.local(Settings(tmp_path, tmp_path, tmp_path, 17000, Topology.COMPACT))


@pytest.mark.parametrize("layer", SPECIFICATION)
def test_the_table_holds_every_row_of_the_specification(layer: str) -> None:
    assert SPECIFICATION[layer].items() <= durability.layer(layer).items()


def test_flushing_is_low() -> None:
    assert int(durability.broker()["log.flush.interval.messages"]) <= 10_000
    assert int(durability.broker()["log.flush.interval.ms"]) <= 1_000
    # Without a look at the logs at least as often, the interval in milliseconds does nothing.
    assert int(durability.broker()["log.flush.scheduler.interval.ms"]) <= durability.FLUSH_MS


def test_brokers_forget_no_group_for_a_hundred_years() -> None:
    assert int(durability.broker()["offsets.retention.minutes"]) > 100 * 365 * 24 * 60


def test_every_producer_runs_with_the_producer_layer(endpoints: Endpoints) -> None:
    required = SPECIFICATION["producer"]
    worker = durability.connect_worker(endpoints)
    assert {name: worker[f"producer.{name}"] for name in required} == required
    connector = durability.connector()
    assert {name: connector[f"producer.override.{name}"] for name in required} == required
    union = durability.transactional_producer(endpoints, "union.orders.0")
    assert {name: union[name] for name in required} == required


def test_every_consumer_runs_with_the_consumer_layer(endpoints: Endpoints) -> None:
    required = SPECIFICATION["consumer"]
    consumer = durability.consumer(endpoints, "union.orders", "union.orders.0")
    assert {name: consumer[name] for name in required} == required
    pinot = durability.pinot_stream(endpoints)
    assert {name: pinot[name] for name in required} == required
    worker = durability.connect_worker(endpoints)
    assert {name: worker[f"consumer.{name}"] for name in required} == required


def test_internal_topics_have_three_replicas(endpoints: Endpoints) -> None:
    config = durability.broker() | durability.connect_worker(endpoints) | durability.registry_storage(endpoints)
    factors = {name: value for name, value in config.items() if name.endswith("replication.factor")}
    assert len(factors) >= 7
    assert set(factors.values()) == {"3"}


def test_security_reaches_every_client(endpoints: Endpoints) -> None:
    secured = replace(endpoints, kafka_security=(("security.protocol", "SASL_SSL"),))
    for config in (
        durability.admin_client(secured),
        durability.transactional_producer(secured, "t"),
        durability.consumer(secured, "g", "c"),
        durability.connect_worker(secured),
    ):
        assert config["security.protocol"] == "SASL_SSL"
    worker = durability.connect_worker(secured)
    for prefix in ("producer.", "consumer.", "admin."):
        assert worker[f"{prefix}security.protocol"] == "SASL_SSL"
    assert durability.pinot_stream(secured)["security.protocol"] == "SASL_SSL"
    assert "SASL_SSL" in durability.registry_storage(secured).values()


def test_no_password_is_in_a_table_or_a_servers_configuration(endpoints: Endpoints) -> None:
    login = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "dagster",
        "sasl.password": "kept",
        "ssl.ca.location": "/ours/ca.crt",
    }
    secured = replace(endpoints, kafka_security=tuple(login.items()))
    stream = durability.pinot_stream(secured)
    assert stream["sasl.jaas.config"] == "${KAFKA_JAAS_CONFIG}"
    assert (stream["sasl.mechanism"], stream["ssl.truststore.type"]) == ("SCRAM-SHA-512", "PEM")
    for config in (stream, durability.connect_worker(secured), durability.registry_storage(secured)):
        assert not {"kept", "dagster", "/ours/ca.crt"} & set(config.values())


def test_a_late_end_of_transaction_cannot_meet_a_later_one(endpoints: Endpoints) -> None:
    producer = durability.transactional_producer(endpoints, "t")
    assert int(producer["socket.timeout.ms"]) > int(producer["transaction.timeout.ms"])
