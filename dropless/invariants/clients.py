"""What must hold for every client of Kafka: it runs with its layer of the durability table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from dropless import durability
from dropless.invariants.model import Finding, Invariant, unkept

Role = Literal["producer", "consumer"]


@dataclass(frozen=True)
class Client:
    """A producer or consumer with the configuration that it runs with; a setting that it does not name is missing."""

    name: str
    role: Role
    config: Mapping[str, str]


@dataclass(frozen=True)
class Worker:
    """A Connect worker with the configuration that it was started with."""

    name: str
    config: Mapping[str, str]


@dataclass(frozen=True)
class Connector:
    """A connector's configuration, and the worker settings that it inherits."""

    name: str
    config: Mapping[str, str]
    inherited: Mapping[str, str]


@dataclass(frozen=True)
class PinotStream:
    """The stream configuration with which a Pinot table reads; `required` is what it must say."""

    table: str
    config: Mapping[str, str]
    required: Mapping[str, str]


def _client(client: Client) -> Iterator[Finding]:
    yield from unkept(f"{client.name}, its {client.role}", durability.layer(client.role), client.config)


def _clients(clients: tuple[Client, ...]) -> Iterator[Finding]:
    for client in clients:
        yield from _client(client)


def _workers(workers: tuple[Worker, ...]) -> Iterator[Finding]:
    required = durability.worker_layers()
    for worker in workers:
        yield from unkept(f"worker {worker.name}", required, worker.config)


def producer_of(connector: Connector) -> dict[str, str]:
    """The configuration of a connector's producer: the worker's, and over it the connector's own overrides."""
    return under(connector.inherited, "producer.") | under(connector.config, "producer.override.")


def _connector(connector: Connector) -> Iterator[Finding]:
    where = f"connector {connector.name}"
    yield from unkept(f"{where}, its producer", durability.layer("producer"), producer_of(connector))
    demand = {"exactly.once.support": durability.connector()["exactly.once.support"]}
    yield from unkept(where, demand, connector.config)


def _stream(stream: PinotStream) -> Iterator[Finding]:
    yield from unkept(f"Pinot table {stream.table}, its consumer", stream.required, stream.config)


def under(config: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The settings that stand behind a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in config.items() if name.startswith(prefix)}


def texts(config: Mapping[str, object]) -> dict[str, str]:
    """A configuration's values as Kafka writes them."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in config.items()}


CLIENTS: Final = Invariant(
    "clients_keep_the_table",
    "Its Kafka clients run with the durability table's settings, as it tells them itself.",
    True,
    _clients,
)
WORKERS: Final = Invariant(
    "workers_keep_the_table",
    "Every Connect worker was started with the durability table's settings, for itself and for its connectors.",
    True,
    _workers,
)
CONNECTOR: Final = Invariant(
    "connector_keeps_the_table",
    "The connector's own producer runs with the durability table's settings and exactly once.",
    True,
    _connector,
)
PINOT: Final = Invariant(
    "consumer_keeps_the_table",
    "Pinot reads committed records only, and leaves no offsets behind.",
    True,
    _stream,
)
