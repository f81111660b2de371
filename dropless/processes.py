"""Our own processes: which ones the contracts ask for, how each is started, and where it tells how it is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
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
    contract: Contract
    contract_file: Path
    """Where it finds the contract that was applied, whatever is being written into the declaration meanwhile."""

    @property
    def status_url(self) -> str:
        """Where its status is served as JSON."""
        return f"http://{LOOPBACK}:{self.port}/"


def own_processes(contracts: Sequence[Contract], settings: Settings) -> list[OwnProcess]:
    """Per table, in the order of their names: its lake writer, then its union processes.

    In this order they get another contract: whoever reads must know a column before somebody writes it.
    """
    found: list[OwnProcess] = []

    def add(name: str, kind: Kind, slot: int, contract: Contract, module: str, *arguments: str) -> None:
        port = settings.port_base + STATUS_PORTS + len(found)
        file = settings.config / name / "contract.json"
        common = ("--table", contract.name, "--contract", str(file), "--status-port", str(port))
        argv = (sys.executable, "-m", module, *common, *arguments)
        digest = contract_digest(contract)
        found.append(OwnProcess(name, contract.name, kind, slot, port, argv, digest, contract, file))

    for contract in sorted(contracts, key=lambda each: each.name):
        add(f"lake-{contract.name}", "lake_writer", 0, contract, "dropless.lake.writer")
        for slot in range(UNION_SLOTS):
            name = f"union-{contract.name}-{slot}"
            add(name, "union", slot, contract, "dropless.union.worker", "--slot", str(slot))
    return found
