"""Heavy traffic and random restarts, and reconciliation after reconciliation: none of them finds anything.

`DROPLESS_SOAK_SECONDS=1800` takes the half hour that is promised; `DROPLESS_SOAK_RATE` is what the machine can carry
beside servers that start again and again, in changes a second.
"""

from __future__ import annotations

import os
import random
import threading
import time

import pytest
from faulty_orders import traffic

from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, NotReady, Unreachable
from dropless.reconciliation.findings import Report
from dropless.settings import Settings
from resources.platform import LocalPlatform
from resources.reconciliation import Limits, Reconciliation

SECONDS = float(os.environ.get("DROPLESS_SOAK_SECONDS", "300"))
RATE = float(os.environ.get("DROPLESS_SOAK_RATE", "100"))
# So long one thing is away, and so long everything is there before the next.
AWAY_SECONDS = 5.0
REST_SECONDS = 20.0
HEALTHY_SECONDS = 300.0
# Fewer would be sound for want of anything that was looked at. Where a machine is slow, it takes longer.
ENOUGH = max(2, round(SECONDS / 300))
RESTARTED = ("union-orders", "lake-orders", "kafka-broker", "kafka-connect", "pinot")

pytestmark = [pytest.mark.long, pytest.mark.timeout(SECONDS + 900)]


class Restarts(threading.Thread):
    """Stops and starts one process after the other, chosen by a seed."""

    def __init__(self, settings: Settings, seed: int) -> None:
        super().__init__(daemon=True)
        self._platform = LocalPlatform(settings)
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._failed: DroplessError | None = None
        self.done: list[str] = []

    def run(self) -> None:
        supervisor = self._platform.supervisor
        systems = {each.name: each.system for each in self._platform.processes if each.name.startswith(RESTARTED)}
        while not self._over.wait(REST_SECONDS):
            name = self._random.choice(sorted(systems))
            supervisor.stop(name)
            try:
                self._over.wait(AWAY_SECONDS)
            finally:
                supervisor.start_program(name)
            self.done.append(name)
            try:
                # On a slow machine a server needs longer to come back than it was away.
                self._platform.wait_healthy(systems[name], HEALTHY_SECONDS, self._over.is_set)
            except DroplessError as error:
                if not self._over.is_set():
                    self._failed = error
                return

    def finish(self) -> None:
        self._over.set()
        self.join(120)
        assert not self.is_alive()
        if self._failed:
            raise self._failed


def test_nothing_is_found_however_much_is_restarted(settings: Settings, endpoints: Endpoints) -> None:
    contract = declared(settings, "orders")
    restarts = Restarts(settings, seed=5)
    reports, held_up = [], 0
    with traffic(endpoints, RATE):
        restarts.start()
        try:
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline or len(reports) < ENOUGH:
                tier = "full" if len(reports) % 2 else "counts"
                began = time.monotonic()
                try:
                    reports.append(Reconciliation(endpoints, contract, contract.sources, tier, Limits()).run())
                except (Unreachable, NotReady) as error:
                    # Something was away for too long: then nothing is said, rightly or wrongly.
                    held_up += 1
                    said = f"held up: {error}"
                else:
                    said = f"{tier}, {reports[-1].touched} rows changed, fences {_slowest(reports[-1])}"
                print(f"{time.monotonic() - began:.0f} s, {len(restarts.done)} restarts so far: {said}", flush=True)
                assert not reports or reports[-1].sound, (reports[-1].findings[:5], restarts.done)
        finally:
            restarts.finish()
    print(f"{len(reports)} reconciliations, {held_up} held up, {len(restarts.done)} restarts: {restarts.done}")
    assert len(restarts.done) >= SECONDS / 120
    assert sum(each.touched for each in reports) > SECONDS


def _slowest(report: Report) -> dict[str, float]:
    """By stage, how long the slowest fence took to pass."""
    stages = {stage for fence in report.fences for stage in fence}
    return {stage: round(max(fence.get(stage, 0) for fence in report.fences), 1) for stage in sorted(stages)}
