"""Everything that `dropless status` tells, asked of all systems at once; what is down does not hold up the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from dropless.contract import Contract, load_contracts
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lag import Lag
from dropless.processes import own_processes
from dropless.readers import readers
from dropless.settings import Settings
from resources.clients import own_status
from resources.dead_letters import DeadLetters, dead_letters
from resources.flow import in_lake, in_pinot
from resources.freshness import freshness
from resources.health import OWN, SYSTEMS, Health, probe
from resources.platform import LocalPlatform, ProcessStatus
from resources.progress import Progress

Answer = TypeVar("Answer")

# Every question ends by itself in seconds; together they wait for each other's threads.
THREADS = 16


@dataclass(frozen=True)
class TableState:
    """What is known of one unified table; None where nobody answered."""

    rows: Mapping[str, int] | None
    """Rows that a query on Pinot sees, per source."""
    lake_changes: int | None
    newest_visible_seconds: float | None
    """The age of the newest commit that Pinot shows: large when nothing happens."""
    freshness_seconds: float | None
    """At most how far Pinot is behind the sources: small when nothing happens, too."""
    lag: Mapping[str, int | None]
    """Records that each reader has yet to read."""
    dead_letters: DeadLetters | None


@dataclass(frozen=True)
class Overview:
    """One look at an installation; `problems` are sentences, and there are none when all is well."""

    systems: Mapping[str, Health]
    processes: Sequence[ProcessStatus]
    tables: Mapping[str, TableState]
    clients: Mapping[str, Any]
    problems: Sequence[str] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether every system, every process and every table answers as it should."""
        return not self.problems

    @property
    def resident_bytes(self) -> int:
        """The memory of all processes together."""
        return sum(process.resident_bytes for process in self.processes)


def overview(settings: Settings, endpoints: Endpoints) -> Overview:
    """Ask everything at once.

    Raises:
        ContractError: a declaration is wrong; nothing can be said about tables then.
    """
    contracts = load_contracts(settings.contracts)
    # Elsewhere the processes are somebody else's, and tell at their own loopback how they are.
    platform = None if Endpoints.elsewhere() else LocalPlatform(settings)
    own = own_processes(contracts, settings) if platform else []
    look = platform.health if platform else partial(probe, endpoints=endpoints)
    with ThreadPoolExecutor(THREADS) as pool:
        problems: list[str] = []
        systems = {system: pool.submit(look, system) for system in SYSTEMS if platform or system not in OWN}
        running = pool.submit(platform.status) if platform else None
        tables = {contract.name: _Asked(pool, endpoints, contract) for contract in contracts}
        clients = {process.name: pool.submit(own_status, process) for process in own}

        health = {system: asked.result() for system, asked in systems.items()}
        problems += [f"{system}: {each.detail}" for system, each in health.items() if not each.healthy]
        processes = (_answer(running, problems) if running else None) or []
        problems += [f"process {each.name} is {each.state}" for each in processes if each.state != "RUNNING"]
        # What a system that is down cannot tell follows from that, and is not worth a sentence of its own.
        further: list[str] = [] if problems else problems
        states = {name: asked.state(further) for name, asked in tables.items()}
        statuses = {name: _answer(asked, further) for name, asked in clients.items()}
    effective = {name: status["effective"] for name, status in statuses.items() if status and "effective" in status}
    return Overview(health, processes, states, effective, list(dict.fromkeys(problems)))


class _Asked:
    """The questions about one table, under way."""

    def __init__(self, pool: ThreadPoolExecutor, endpoints: Endpoints, contract: Contract) -> None:
        name, progress = contract.name, Progress(endpoints)
        self._pinot = pool.submit(in_pinot, endpoints, name)
        self._lake = pool.submit(in_lake, endpoints, name)
        self._freshness = pool.submit(freshness, endpoints, contract)
        self._dead = pool.submit(dead_letters, endpoints, name)
        self._lag = {reader.stage.value: pool.submit(progress.lag, reader) for reader in readers(contract)}

    def state(self, problems: list[str]) -> TableState:
        """The answers; what could not be answered adds its sentence."""
        visible, lake = _answer(self._pinot, problems), _answer(self._lake, problems)
        lags = {stage: _answer(asked, problems) for stage, asked in self._lag.items()}
        age = (datetime.now(UTC) - visible.newest).total_seconds() if visible and visible.newest else None
        return TableState(
            rows=visible.by_source if visible else None,
            lake_changes=lake.rows if lake else None,
            newest_visible_seconds=age,
            freshness_seconds=_answer(self._freshness, problems),
            lag={stage: _total(found) for stage, found in lags.items()},
            dead_letters=_answer(self._dead, problems),
        )


def _total(lags: Iterable[Lag] | None) -> int | None:
    return None if lags is None else sum(lag.records for lag in lags)


def _answer(asked: Future[Answer], problems: list[str]) -> Answer | None:
    try:
        return asked.result()
    except DroplessError as error:
        problems.append(str(error))
        return None
