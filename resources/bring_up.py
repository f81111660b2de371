"""Starting all systems, each as soon as what it needs is healthy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from dropless import desired
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from local_stack.commands import end_all
from local_stack.systems import NEEDS
from resources.adapters import adapters
from resources.platform import LocalPlatform
from resources.provisioning import provision

Report = Callable[[str, str | None], None]
"""Told a system's name, and what its probe says once it is healthy; None when it is being started."""

# Dagster last: on two cores its three Python processes would hold up the servers that others wait for.
ORDER = (
    "kafka",
    "postgresql",
    "zookeeper",
    "minio",
    "mongodb",
    "pinot",
    "schema_registry",
    "kafka_connect",
    "dagster",
)
HEALTHY_SECONDS = 240.0


def start_all(settings: Settings, platform: LocalPlatform, report: Report) -> None:
    """Start every server and wait until all are healthy.

    Our own processes are not among them: they need topics, which the provisioning makes.

    Raises:
        DroplessError: a system could not be started.
        NotReady: one did not become healthy in its time.
    """
    starting = _Starting(settings, platform, report)
    ready: dict[str, Future[None]] = {}
    with ThreadPoolExecutor(len(ORDER)) as pool:
        for system in ORDER:
            needs = [ready[need] for need in NEEDS.get(system, ())]
            ready[system] = pool.submit(starting.start, system, needs)
        try:
            done, _ = wait(ready.values(), return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            # Also on Ctrl-C: the pool waits for its threads, and they for nothing any more.
            starting.given_up.set()
            end_all()
            raise


@dataclass(frozen=True)
class _Starting:
    """One start of everything; once given up, nothing more is started or waited for."""

    settings: Settings
    platform: LocalPlatform
    report: Report
    given_up: threading.Event = field(default_factory=threading.Event)

    def start(self, system: str, needs: Sequence[Future[None]]) -> None:
        for need in needs:
            need.result()
        if self.given_up.is_set():
            return
        self.report(system, None)
        if system == "pinot":
            # Its deep store: without the bucket and its user the controller does not start.
            endpoints = Endpoints.local(self.settings)
            provision([*desired.buckets(), *desired.s3_users()], adapters(endpoints))
        self.platform.start(system)
        self.platform.wait_healthy(system, HEALTHY_SECONDS, self.given_up.is_set)
        self.report(system, self.platform.health(system).detail)
