"""The durability table, watched on the running system: brokers, topics, clients, consumer groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg

from dropless import names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.invariants import (
    CLIENTS,
    CONNECTOR,
    GROUPS,
    INVARIANTS,
    PINOT,
    WORKERS,
    Connector,
    Finding,
    Groups,
    Invariant,
)
from dropless.processes import OwnProcess, own_processes
from pipeline_assets import keys
from pipeline_assets.presentation import findings_table
from pipeline_assets.sensors.watching import PATIENCE_SECONDS, Tick, watch
from pipeline_assets.verdict import Verdict
from resources.clients import ServerClients, own_clients
from resources.cluster import shared_view
from resources.patience import ask_all
from resources.platform import LocalPlatform

KAFKA = keys.system("kafka")
CONNECT = keys.system("kafka_connect")
REGISTRY = keys.system("schema_registry")
SHOWN = 50
WHY_UNSEEN = "nothing can be vouched for that cannot be seen"


@dataclass(frozen=True)
class Watched:
    """One asset's invariants, all judged on the answer to one question."""

    asset: dg.AssetKey
    invariants: tuple[Invariant[Any], ...]
    question: str


def durability(contracts: Sequence[Contract]) -> dg.Definitions:
    """The sensor and its checks."""
    watched = list(_watched(contracts))
    specs = [
        dg.AssetCheckSpec(invariant.name, asset=each.asset, description=invariant.promise)
        for each in watched
        for invariant in each.invariants
    ]

    def look(tick: Tick) -> None:
        asked = {each.question for each in watched}
        questions = {name: ask for name, ask in _questions(tick, contracts).items() if name in asked}
        answers = ask_all(tick.name, questions, PATIENCE_SECONDS)
        for each in watched:
            seen = answers[each.question]
            for invariant in each.invariants:
                found = _unseen(each, seen) if isinstance(seen, DroplessError) else list(invariant.findings(seen))
                check = dg.AssetCheckKey(each.asset, invariant.name)
                tick.judge(check, _verdict(invariant, found), {"found": found})

    return watch(
        "durability",
        "Do brokers, topics, features, every client and every consumer group live up to the durability table? "
        "Asked of the running system twice a minute; who does not answer is reported as not vouched for.",
        specs,
        look,
    )


def _watched(contracts: Sequence[Contract]) -> Iterator[Watched]:
    # What a process was started with, and what it tells at loopback, is seen on its own machine only.
    here = not Endpoints.elsewhere()
    yield Watched(KAFKA, INVARIANTS, "Kafka")
    if here:
        yield Watched(CONNECT, (WORKERS,), "Kafka Connect's workers")
        yield Watched(REGISTRY, (CLIENTS,), "The schema registry")
    for contract in contracts:
        table = contract.name
        yield Watched(keys.topic(names.unified_topic(table)), GROUPS, f"The consumer groups of {table}")
        yield Watched(keys.of_table(table, "pinot_table"), (PINOT,), f"Pinot's table {table}")
        if here:
            yield Watched(keys.union_worker(table), (CLIENTS,), f"The union of {table}")
            yield Watched(keys.lake_writer(table), (CLIENTS,), f"The lake writer of {table}")
        for source in contract.sources:
            connector = names.connector(table, source.name)
            yield Watched(keys.provisioned("connector", connector), (CONNECTOR,), f"Connector {connector}")


def _questions(tick: Tick, contracts: Sequence[Contract]) -> dict[str, Callable[[], Any]]:
    endpoints, settings = tick.installation.endpoints, tick.installation.settings
    view, servers = shared_view(endpoints), ServerClients(endpoints, LocalPlatform(settings))
    own = own_processes(contracts, settings)
    questions: dict[str, Callable[[], Any]] = {
        "Kafka": view.cluster,
        "Kafka Connect's workers": servers.workers,
        "The schema registry": servers.registries,
    }
    for contract in contracts:
        table = contract.name
        processes = [each for each in own if each.table == table]
        questions |= {
            f"The consumer groups of {table}": partial(_groups, tick, contract, own),
            f"Pinot's table {table}": partial(servers.pinot, table),
            f"The union of {table}": partial(_clients, processes, "union"),
            f"The lake writer of {table}": partial(_clients, processes, "lake_writer"),
        }
        for source in contract.sources:
            name = names.connector(table, source.name)
            questions[f"Connector {name}"] = partial(_connector, servers, name)
    return questions


def _groups(tick: Tick, contract: Contract, own: Sequence[OwnProcess]) -> Groups:
    view, table = shared_view(tick.installation.endpoints), contract.name
    raw = [names.raw_topic(table, source.name) for source in contract.sources]
    # Offsets first: an end asked for later can only be further on.
    seen = tuple(view.groups())
    partitions = view.partitions([*raw, names.unified_topic(table), names.dead_topic(table)])
    starts, ends = view.starts(partitions), view.ends(partitions)
    slots = [each.slot for each in own if each.table == table and each.kind == "union"]
    ours = {
        names.union_group(table): frozenset(names.union_transactional_id(table, slot) for slot in slots),
        names.lake_group(table): frozenset[str](),
    }
    return Groups(seen, ours, {place: (starts[place], ends[place]) for place in partitions})


def _connector(servers: ServerClients, name: str) -> Connector:
    try:
        workers = servers.workers()
    except DroplessError:
        # Their own check tells of them; what a connector says itself counts alone then.
        workers = ()
    return servers.connector(name, workers)


def _clients(own: Sequence[OwnProcess], kind: str) -> tuple[Any, ...]:
    return tuple(client for each in own if each.kind == kind for client in own_clients(each))


def _unseen(watched: Watched, error: DroplessError) -> list[Finding]:
    return [Finding(watched.question, "an answer", str(error), WHY_UNSEEN)]


def _verdict(invariant: Invariant[Any], found: list[Finding]) -> Verdict:
    metadata: dict[str, dg.MetadataValue] = {"findings": dg.MetadataValue.int(len(found))}
    if not found:
        return Verdict(True, invariant.promise, metadata=metadata)
    metadata["where"] = dg.MetadataValue.md(findings_table(found[:SHOWN]))
    first = f"{found[0].where}: expected {found[0].expected}, found {found[0].found}"
    return Verdict(False, first, invariant.protects_data, metadata)
