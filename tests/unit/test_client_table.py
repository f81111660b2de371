"""What a client runs with is told beside what the durability table asks, under the client's own names."""

from __future__ import annotations

import pytest

from dropless import client_table, durability
from dropless.endpoints import Endpoints
from dropless.settings import Settings


@pytest.fixture
def endpoints() -> Endpoints:
    return Endpoints.local(Settings.load())


def differing(*found: client_table.ListedClient) -> list[tuple[str, str, str | None]]:
    return [(row.client, row.setting, row.effective) for row in client_table.rows(found) if not row.kept]


def test_our_own_clients_keep_the_table(endpoints: Endpoints) -> None:
    effective = {
        "producer": durability.transactional_producer(endpoints, "t"),
        "consumer": durability.union_consumer(endpoints, "g", "i"),
    }
    found = [*client_table.own("union", effective, "there"), client_table.streams("union", effective, "3", "there")]
    assert differing(*found) == []
    assert {row.layer for row in client_table.rows(found)} == {"producer", "consumer", "streams"}


def test_what_differs_and_what_is_not_set_are_told() -> None:
    found = client_table.own("lake", {"consumer": {"enable.auto.commit": True}}, "there")
    assert differing(*found) == [("lake", "enable.auto.commit", "true"), ("lake", "isolation.level", None)]


def test_without_transactions_it_is_at_least_once() -> None:
    found = client_table.streams("union", {"producer": {}}, "3", "there")
    assert differing(found) == [("union", "processing.guarantee", "at_least_once")]


def test_a_connector_s_producer_is_read_from_its_overrides() -> None:
    config = durability.connector() | {"producer.override.acks": "1", "acks": "all"}
    found = client_table.prefixed("connector", "producer", config, "producer.override.", "there")
    assert differing(found) == [("connector", "acks", "1")]


def test_a_stricter_broker_keeps_the_table() -> None:
    strict = durability.broker() | {"log.flush.interval.messages": "1", "min.insync.replicas": "3"}
    assert differing(client_table.ListedClient("broker 1", "broker", strict, "there")) == []
