"""Reads what every client of Kafka, and every broker, runs with: from itself, or from the system that runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from dropless import names
from dropless.client_table import ListedClient, own, prefixed, streams
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.processes import own_processes
from dropless.settings import Settings
from resources.clients import ServerClients
from resources.cluster import ClusterView
from resources.platform import LocalPlatform

STARTED_WITH = "the file that it was started with"

Effective = Mapping[str, Mapping[str, Mapping[str, object]]]
"""What our processes told at their status ports: by process, then client, then setting."""


def clients(
    settings: Settings, endpoints: Endpoints, contracts: Sequence[Contract], effective: Effective
) -> tuple[list[ListedClient], list[str]]:
    """Everyone whose settings the durability table rules, and a sentence for each system that could not tell."""
    here = not Endpoints.elsewhere()
    servers = ServerClients(endpoints, LocalPlatform(settings))
    found: list[ListedClient] = []
    problems: list[str] = []
    asked = [partial(_kafka, settings, endpoints, contracts, effective)]
    if here:
        asked.append(partial(_servers, servers))
    for contract in contracts:
        connectors = [names.connector(contract.name, source.name) for source in contract.sources]
        asked += [partial(_connector, servers, name) for name in connectors]
        asked.append(partial(_pinot, servers, contract.name))
    for ask in asked:
        try:
            found += ask()
        except DroplessError as error:
            problems.append(str(error))
    return found, problems


def _kafka(
    settings: Settings, endpoints: Endpoints, contracts: Sequence[Contract], effective: Effective
) -> Iterator[ListedClient]:
    brokers = ClusterView(endpoints).cluster().brokers
    for each in brokers:
        yield ListedClient(f"broker {each.id}", "broker", each.config, "Kafka, DescribeConfigs")
    copies = min((each.config.get("transaction.state.log.replication.factor", "0") for each in brokers), default="0")
    for process in own_processes(contracts, settings):
        if process.name in effective:
            yield from own(process.name, effective[process.name], process.status_url)
            if process.kind == "union":
                yield streams(process.name, effective[process.name], copies, process.status_url)


def _servers(servers: ServerClients) -> Iterator[ListedClient]:
    for worker in servers.workers():
        for layer in ("producer", "consumer"):
            yield prefixed(worker.name, layer, worker.config, f"{layer}.", STARTED_WITH)
    for registry in servers.registries():
        yield ListedClient(registry.name, registry.role, registry.config, STARTED_WITH)


def _connector(servers: ServerClients, name: str) -> Iterator[ListedClient]:
    config = servers.connector(name, ()).config
    yield prefixed(f"connector {name}", "producer", config, "producer.override.", "Kafka Connect, its configuration")


def _pinot(servers: ServerClients, table: str) -> Iterator[ListedClient]:
    yield ListedClient(f"Pinot {table}", "consumer", servers.pinot(table).config, "Pinot's controller, its table")
