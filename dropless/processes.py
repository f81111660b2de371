"""Our own processes: which ones the contracts ask for, how each is started, and where it tells how it is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dropless.contract import Contract
from dropless.declared import contract_digest
from dropless.ports import STATUS_PORTS
from dropless.settings import LOOPBACK, Settings

Kind = Literal["union", "lake_writer"]

# Union processes of one table; more share its partitions in one consumer group.
UNION_SLOTS = 1


@dataclass(frozen=True)
class OwnProcess:
    """A union worker or lake writer of one table."""

    name: str
    table: str
    kind: Kind
    slot: int
    port: int
    argv: tuple[str, ...]
    # A process reads its contract once, so another contract is another process.
    contract_digest: str

    @property
    def status_url(self) -> str:
        """Where its status is served as JSON."""
        return f"http://{LOOPBACK}:{self.port}/"


def own_processes(contracts: Sequence[Contract], settings: Settings) -> list[OwnProcess]:
    """Per table, in the order of their names: its union processes, then its lake writer."""
    found: list[OwnProcess] = []
    for contract in sorted(contracts, key=lambda each: each.name):
        digest = contract_digest(contract)
        for slot in range(UNION_SLOTS):
            port = settings.port_base + STATUS_PORTS + len(found)
            argv = (*_module("dropless.union.worker", contract.name, port), "--slot", str(slot))
            found.append(OwnProcess(f"union-{contract.name}-{slot}", contract.name, "union", slot, port, argv, digest))
        port = settings.port_base + STATUS_PORTS + len(found)
        argv = _module("dropless.lake.writer", contract.name, port)
        found.append(OwnProcess(f"lake-{contract.name}", contract.name, "lake_writer", 0, port, argv, digest))
    return found


def _module(name: str, table: str, port: int) -> tuple[str, ...]:
    return (sys.executable, "-m", name, "--table", table, "--status-port", str(port))
