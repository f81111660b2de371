"""The processes of the stack, to be killed, suspended and stopped; supervisord starts killed ones again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dropless.settings import Settings
from resources.platform import LocalPlatform

WORKER = "kafka-connect-1"
POSTGRESQL = "postgresql-1"
MONGODB = "mongodb-1"
REGISTRY = "schema-registry-1"


class Servers:
    """Processes by their names."""

    def __init__(self, settings: Settings) -> None:
        self._platform = LocalPlatform(settings)

    def kill(self, name: str, kind: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self._pid(name), kind)

    def suspend(self, name: str, seconds: float) -> None:
        """Stop a process in its tracks for as long."""
        pid = self._pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Without this process meanwhile."""
        self._platform.supervisor.stop(name)
        try:
            yield
        finally:
            self._platform.supervisor.start_program(name)

    def wait_healthy(self, system: str) -> None:
        self._platform.wait_healthy(system, 120)

    def _pid(self, name: str) -> int:
        return next(each.pid for each in self._platform.status() if each.name == name and each.pid)
