"""P13: how long after a kill -9 the union commits again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Collection
from typing import Final

from benchmarks.bench import SEED, Bench
from benchmarks.result import Pairs, Result
from benchmarks.sighting import Sighting
from benchmarks.statistics import median
from benchmarks.writer import Load
from dropless.errors import NotReady
from dropless.processes import own_processes
from resources.platform import LocalPlatform

RATE: Final = 1_000
# supervisord restarts at once what has run for two seconds.
LIVES_SECONDS: Final = (3.0, 6.0)
RECOVERY_SECONDS: Final = 60.0


def measure(bench: Bench, _wanted: Collection[str]) -> list[Result]:
    """Kill the worker under load again and again; supervisord starts it anew, as it does in production."""
    lab, pairs = bench.lab, Pairs()
    pick = random.Random(SEED)
    start = lab.raw_ends()
    lab.set_back(start)
    bench.verifier.begin(start)
    platform = LocalPlatform(lab.settings)
    name = next(each.name for each in own_processes([lab.contract], lab.settings) if each.kind == "union")
    rows = Sighting(lab, lab.view.ends(lab.view.partitions([lab.unified])))
    rows.start()
    platform.start("union")
    try:
        with Load(lab, SEED, RATE) as load:
            _first_after(rows, time.time())
            for number in range(bench.scale.kills):
                time.sleep(pick.uniform(*LIVES_SECONDS))
                bench.noises.clear()
                with bench.block(f"kill {number + 1} of {bench.scale.kills}"):
                    pid = next(each.pid for each in platform.status() if each.name == name)
                    killed = time.time()
                    os.kill(pid, signal.SIGKILL)
                    seen = _first_after(rows, killed)
                pairs.add({"recovery, s": seen - killed}, bench.noises)
            load.finish()
            _all_seen(rows, load)
    finally:
        platform.supervisor.remove(name)
        rows.finish()
    bench.verifier.end(load.changes)
    times = pairs.column("recovery, s")
    setup = {"kills": bench.scale.kills, "changes a second": RATE, "restarted by": "supervisord"}
    absolute = {"slowest, s": max(times), "fastest, s": min(times)}
    return [bench.result("P13", {"recovery": median(times)}, pairs, setup, absolute=absolute)]


def _first_after(rows: Sighting, moment: float) -> float:
    """When the first committed row was seen that was produced after a moment: a dead process produces none."""
    looked, deadline = 0, time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < deadline:
        arrivals = rows.arrivals
        for seen, produced in arrivals[looked:]:
            # Produced is told in whole milliseconds.
            if produced > moment + 0.001:
                return seen
        looked = len(arrivals)
        time.sleep(0.005)
    raise NotReady(f"No committed row came in {RECOVERY_SECONDS:g} seconds after the kill.")


def _all_seen(rows: Sighting, load: Load) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while len(rows.seen) < load.changes:
        if time.monotonic() > deadline:
            raise NotReady(f"{load.changes - len(rows.seen):,} changes did not come out.")
        time.sleep(0.05)
