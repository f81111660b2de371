"""Where this installation keeps its state and which ports it uses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from dropless.errors import DroplessError

PROJECT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
DEFAULT_PORT_BASE = 17000


class Topology(StrEnum):
    """How many nodes of each system run on one machine."""

    COMPACT = "compact"
    FULL = "full"


@dataclass(frozen=True)
class Settings:
    """One installation: its folders, its first port, its topology.

    Read from the environment by `Settings.load`; nothing is read at import.
    """

    state: Path
    cache: Path
    contracts: Path
    port_base: int
    topology: Topology

    @classmethod
    def load(cls, topology: Topology | None = None) -> Self:
        """Settings from `DROPLESS_STATE`, `_CACHE`, `_CONTRACTS`, `_PORT_BASE`, `_TOPOLOGY`.

        An explicit topology wins over the environment, which wins over what `up` saved.

        Raises:
            DroplessError: a variable holds something unusable.
        """
        state = Path(os.environ.get("DROPLESS_STATE") or PROJECT / ".dropless").resolve()
        cache = Path(os.environ.get("DROPLESS_CACHE") or Path.home() / ".cache" / "dropless").resolve()
        contracts = Path(os.environ.get("DROPLESS_CONTRACTS") or PROJECT / "pipeline_assets" / "defs").resolve()
        return cls(state, cache, contracts, _port_base(state), topology or _topology(state))

    @property
    def secrets(self) -> Path:
        """The folder of password files, readable by its owner alone."""
        return self.state / "secrets"

    @property
    def config(self) -> Path:
        """The folder of generated configuration files."""
        return self.state / "config"

    @property
    def data(self) -> Path:
        """The folder under which every server keeps its data."""
        return self.state / "data"

    @property
    def logs(self) -> Path:
        """The folder of the processes' logs."""
        return self.state / "logs"

    def audit_bookmark(self, table: str) -> Path:
        """Where the audit of a unified table remembers how far it came."""
        return self.state / "audit" / f"{table}.json"

    @property
    def backfills(self) -> Path:
        """The folder in which backfills show that somebody drives them."""
        return self.state / "backfills"

    def reconciliations(self, table: str) -> Path:
        """Where the reconciliations of a unified table are remembered, one a line."""
        return self.state / "reconciliations" / f"{table}.jsonl"

    @property
    def watch(self) -> Path:
        """The folder in which sensors remember what they saw and told."""
        return self.state / "watch"

    @property
    def alerts(self) -> Path:
        """Where alerts go beside the log: a TOML file, `DROPLESS_ALERTS` or `alerts.toml` in the state folder."""
        return Path(os.environ.get("DROPLESS_ALERTS") or self.state / "alerts.toml").resolve()

    @property
    def repairs(self) -> bool:
        """Whether what can safely be repaired is repaired by itself; `DROPLESS_REPAIRS=off` leaves it to people."""
        return os.environ.get("DROPLESS_REPAIRS", "on") != "off"

    @property
    def schedules(self) -> bool:
        """Whether schedules run from the start; `DROPLESS_SCHEDULES=off` leaves that to people."""
        return os.environ.get("DROPLESS_SCHEDULES", "on") != "off"

    @property
    def topology_file(self) -> Path:
        """Where `up` remembers the topology it started."""
        return self.state / "topology"

    @property
    def port_base_file(self) -> Path:
        """Where `up` remembers the first port it used."""
        return self.state / "port_base"

    def environment(self) -> dict[str, str]:
        """The variables that give a child process these same settings."""
        return {
            "DROPLESS_STATE": str(self.state),
            "DROPLESS_CACHE": str(self.cache),
            "DROPLESS_CONTRACTS": str(self.contracts),
            "DROPLESS_PORT_BASE": str(self.port_base),
            "DROPLESS_TOPOLOGY": self.topology.value,
            "DROPLESS_ALERTS": str(self.alerts),
            "DROPLESS_REPAIRS": "on" if self.repairs else "off",
            "DROPLESS_SCHEDULES": "on" if self.schedules else "off",
        }


def _port_base(state: Path) -> int:
    saved = state / "port_base"
    before = saved.read_text().strip() if saved.is_file() else str(DEFAULT_PORT_BASE)
    text = os.environ.get("DROPLESS_PORT_BASE") or before
    if not text.isdigit() or not 1024 <= int(text) <= 65000:
        raise DroplessError(f"DROPLESS_PORT_BASE is {text!r}; it must be a whole number from 1024 to 65000.")
    return int(text)


def _topology(state: Path) -> Topology:
    saved = state / "topology"
    text = os.environ.get("DROPLESS_TOPOLOGY") or (saved.read_text().strip() if saved.is_file() else "compact")
    try:
        return Topology(text)
    except ValueError:
        raise DroplessError(f"The topology is {text!r}; it must be 'compact' or 'full'.") from None
