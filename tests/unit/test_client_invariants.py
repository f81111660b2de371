"""A client, connector, Pinot stream or group that does not keep to the durability table is named, and no other."""

import pytest

from dropless import durability
from dropless.invariants import (
    CLIENTS,
    CONNECTOR,
    GROUPS,
    PINOT,
    WORKERS,
    Client,
    Connector,
    Group,
    Groups,
    PinotStream,
    Worker,
)

TABLE = durability.layer("producer")
INHERITED = durability.worker_layers()


def client(**changed: str) -> Client:
    return Client(
        "union-orders-0", "producer", TABLE | {name.replace("_", "."): each for name, each in changed.items()}
    )


def test_a_client_with_the_table_s_settings_is_as_promised() -> None:
    assert list(CLIENTS.findings((client(), Client("lake", "consumer", durability.layer("consumer"))))) == []


@pytest.mark.parametrize("acks", ["1", "0"])
def test_a_client_with_other_acks_is_found(acks: str) -> None:
    [found] = CLIENTS.findings((client(acks=acks),))
    assert (found.where, found.expected, found.found) == ("union-orders-0, its producer, acks", "all", acks)
    assert found.why == "a write is lost with the leader that alone has it"


def test_kafka_s_other_spelling_of_acks_is_the_same() -> None:
    assert list(CLIENTS.findings((client(acks="-1"),))) == []


def test_a_setting_that_a_client_does_not_tell_is_found() -> None:
    [found] = CLIENTS.findings((Client("x", "consumer", {"isolation.level": "read_committed"}),))
    assert (found.where, found.found) == ("x, its consumer, enable.auto.commit", "not set")


def test_a_worker_with_an_unsafe_offsets_topic_is_found() -> None:
    [found] = WORKERS.findings((Worker("w", INHERITED | {"offset.storage.replication.factor": "1"}),))
    assert found.where == "worker w, offset.storage.replication.factor"
    assert found.why == "a lost disk is lost data"


def test_a_connector_inherits_what_it_does_not_override() -> None:
    demand = {"exactly.once.support": "required"}
    assert list(CONNECTOR.findings(Connector("orders.store", demand, INHERITED))) == []
    [found] = CONNECTOR.findings(Connector("orders.store", demand | {"producer.override.acks": "1"}, INHERITED))
    assert found.where == "connector orders.store, its producer, acks"
    [found] = CONNECTOR.findings(Connector("orders.store", {}, INHERITED))
    assert found.where == "connector orders.store, exactly.once.support"


def test_a_pinot_table_that_reads_aborted_rows_is_found() -> None:
    required = durability.pinot_layer()
    assert list(PINOT.findings(PinotStream("orders", required, required))) == []
    changed = required | {"stream.kafka.isolation.level": "read_uncommitted"}
    [found] = PINOT.findings(PinotStream("orders", changed, required))
    assert found.where == "Pinot table orders, its consumer, stream.kafka.isolation.level"
    assert found.why == "aborted rows are read"


PLACE = ("raw.orders.store", 0)


def groups(*seen: Group) -> dict[str, list[str]]:
    looked = Groups(seen, {"union.orders": frozenset({"union.orders.0"})}, {PLACE: (10, 20)})
    return {each.name: found for each in GROUPS if (found := [one.where for one in each.findings(looked)])}


@pytest.mark.parametrize("offset", [10, 20])
def test_our_own_group_within_its_topics_is_as_promised(offset: int) -> None:
    assert groups(Group("union.orders", ("union.orders.0",), {PLACE: offset}), Group("others", ("x",), {})) == {}


@pytest.mark.parametrize("offset", [9, 21])
def test_an_offset_outside_of_its_topic_is_found(offset: int) -> None:
    found = groups(Group("union.orders", (), {PLACE: offset}))
    assert found == {"offsets_are_in_range": ["group union.orders, raw.orders.store[0]"]}


def test_a_stranger_in_our_group_is_found() -> None:
    found = groups(Group("union.orders", ("union.orders.0", "console"), {}))
    assert found == {"groups_are_ours": ["group union.orders, client console"]}


def test_another_group_with_offsets_on_our_topics_is_found() -> None:
    found = groups(Group("report", ("r",), {PLACE: 3}), Group("report2", (), {("theirs", 0): 3}))
    assert found == {"no_strange_readers": ["group report, clients r"]}
