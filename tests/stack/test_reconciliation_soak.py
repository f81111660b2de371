"""Heavy traffic and random restarts, and reconciliation after reconciliation: none of them finds anything.

`DROPLESS_SOAK_SECONDS=1800` takes the half hour that is promised.
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
from dropless.errors import NotReady, Unreachable
from dropless.settings import Settings
from resources.platform import LocalPlatform
from resources.reconciliation import Limits, Reconciliation

SECONDS = float(os.environ.get("DROPLESS_SOAK_SECONDS", "300"))
RATE = 200
# So long one thing is away, and so long everything is there.
AWAY_SECONDS = 5.0
REST_SECONDS = 20.0
RESTARTED = ("union-orders", "lake-orders", "kafka-broker", "kafka-connect", "pinot")

pytestmark = [pytest.mark.long, pytest.mark.timeout(SECONDS + 900)]


class Restarts(threading.Thread):
    """Stops and starts one process after the other, chosen by a seed."""

    def __init__(self, settings: Settings, seed: int) -> None:
        super().__init__(daemon=True)
        self._supervisor = LocalPlatform(settings).supervisor
        self._random = random.Random(seed)
        self._over = threading.Event()
        self.done: list[str] = []

    def run(self) -> None:
        names = [name for name in self._supervisor.processes() if name.startswith(RESTARTED)]
        while not self._over.wait(REST_SECONDS):
            name = self._random.choice(names)
            self._supervisor.stop(name)
            try:
                self._over.wait(AWAY_SECONDS)
            finally:
                self._supervisor.start_program(name)
            self.done.append(name)

    def finish(self) -> None:
        self._over.set()
        self.join(120)
        assert not self.is_alive()


def test_nothing_is_found_however_much_is_restarted(settings: Settings, endpoints: Endpoints) -> None:
    contract = declared(settings, "orders")
    restarts = Restarts(settings, seed=5)
    reports, held_up = [], 0
    with traffic(endpoints, RATE):
        restarts.start()
        try:
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                tier = "full" if len(reports) % 2 else "counts"
                try:
                    reports.append(Reconciliation(endpoints, contract, contract.sources, tier, Limits()).run())
                except (Unreachable, NotReady):
                    # Something was away for too long: then nothing is said, rightly or wrongly.
                    held_up += 1
                assert not reports or reports[-1].sound, (reports[-1].findings[:5], restarts.done)
        finally:
            restarts.finish()
    print(f"{len(reports)} reconciliations, {held_up} held up, {len(restarts.done)} restarts: {restarts.done}")
    print(f"rows that changed meanwhile: {[each.touched for each in reports]}")
    assert len(reports) > SECONDS / 120
    assert len(restarts.done) >= SECONDS / 60
    assert sum(each.touched for each in reports) > SECONDS
