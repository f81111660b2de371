"""What every server's configuration is made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dropless.endpoints import Endpoints
from dropless.ports import port, ports
from dropless.settings import Settings
from local_stack.install import Installation


@dataclass(frozen=True)
class Context:
    """One installation's settings, its addresses and its software."""

    settings: Settings
    software: Installation

    @property
    def endpoints(self) -> Endpoints:
        """Where the systems answer."""
        return Endpoints.local(self.settings)

    def port(self, listener: str, node: int = 1) -> int:
        """The port of a listener's node, counted from 1."""
        return port(self.settings, listener, node)

    def nodes(self, listener: str) -> range:
        """The node numbers of a listener in this topology, from 1."""
        return range(1, len(ports(self.settings, listener)) + 1)

    def data(self, name: str) -> Path:
        """The data folder of one process."""
        return self.settings.data / name

    def config(self, name: str) -> Path:
        """The folder of one process's generated files."""
        return self.settings.config / name
