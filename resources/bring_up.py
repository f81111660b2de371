"""Starting all systems, each as soon as what it needs is healthy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from dropless import desired
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from local_stack.systems import NEEDS
from resources.platform import LocalPlatform
from resources.provisioning import adapters, provision

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
    ready: dict[str, Future[None]] = {}
    with ThreadPoolExecutor(len(ORDER)) as pool:
        for system in ORDER:
            needs = [ready[need] for need in NEEDS.get(system, ())]
            ready[system] = pool.submit(_start, system, needs, settings, platform, report)
        done, _ = wait(ready.values(), return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()


def _start(
    system: str, needs: Sequence[Future[None]], settings: Settings, platform: LocalPlatform, report: Report
) -> None:
    for need in needs:
        need.result()
    report(system, None)
    if system == "pinot":
        # Its deep store: without the bucket and its user the controller does not start.
        endpoints = Endpoints.local(settings)
        provision([*desired.buckets(), *desired.s3_users()], adapters(endpoints))
    platform.start(system)
    platform.wait_healthy(system, HEALTHY_SECONDS)
    report(system, platform.health(system).detail)
