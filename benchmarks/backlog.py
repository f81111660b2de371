"""P12: how fast a backlog is worked off while changes keep coming."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Collection
from typing import Final

import psutil

from benchmarks.bench import SEED, Bench
from benchmarks.ending import ended
from benchmarks.meter import LOOK_SECONDS
from benchmarks.result import Pairs, Result
from benchmarks.statistics import median
from benchmarks.writer import Load
from dropless.errors import NotReady

LOAD: Final = 0.5
"""The share of the machine's cores that input, brokers and union keep busy together in the steady state."""
FIRST_RATE: Final = 3_000
LARGEST_STEP: Final = 3.0
CALIBRATION_SECONDS: Final = 8.0
STEADY_SECONDS: Final = 5.0
CATCH_UP_SECONDS: Final = 300.0
# Caught up: not more is left than came in within this time.
NEAR_SECONDS: Final = 0.5


def measure(bench: Bench, _wanted: Collection[str]) -> list[Result]:
    """Find the rate, then stall, continue, and watch."""
    lab, pairs = bench.lab, Pairs()
    start = lab.raw_ends()
    lab.set_back(start)
    bench.verifier.begin(start)
    with ended([lab.worker()]) as (worker,), Load(lab, SEED) as load:
        rate = _half_load(bench, worker, load)
        for number in pairs.numbers(bench.scale.stalls):
            bench.noises.clear()
            with bench.block(f"stall {number + 1}"):
                values = _stall(bench, worker, load, rate)
            pairs.add(values | {"input, changes a second": rate}, bench.noises)
        load.finish()
        _catch_up(bench, load, 0)
    bench.verifier.end(load.changes)
    drains = [drained / rate for drained in pairs.column("drain, changes a second")]
    setup = {"load": LOAD, "seconds stalled": bench.scale.stall_seconds}
    return [bench.result("P12", {"drain": median(drains)}, pairs, setup)]


def _half_load(bench: Bench, worker: subprocess.Popen[bytes], load: Load) -> float:
    """The rate at which our processes need half of the machine's cores."""
    rate = float(FIRST_RATE)
    processes = [psutil.Process(worker.pid), psutil.Process()]
    cores = psutil.cpu_count() or 1
    for _ in range(2):
        bench.tell(f"finding the rate of half load: {rate:,.0f} changes a second")
        load.rate = rate
        time.sleep(2)
        before = bench.meter.look(processes, 0)
        time.sleep(CALIBRATION_SECONDS)
        after = bench.meter.look(processes, 0)
        used = (after.cpu + after.broker_cpu - before.cpu - before.broker_cpu) / (after.at - before.at) / cores
        rate *= min(LARGEST_STEP, LOAD / used)
    return rate


def _stall(bench: Bench, worker: subprocess.Popen[bytes], load: Load, rate: float) -> dict[str, float]:
    load.rate = rate
    time.sleep(STEADY_SECONDS)
    worker.send_signal(signal.SIGSTOP)
    time.sleep(bench.scale.stall_seconds)
    behind = load.sent - _done(bench, load)
    worker.send_signal(signal.SIGCONT)
    continued = time.monotonic()
    first, first_done, last, last_done = _catch_up(bench, load, rate * NEAR_SECONDS / bench.share)
    return {
        "drain, changes a second": bench.share * (last_done - first_done) / (last - first),
        "backlog, changes": bench.share * behind,
        "to the first commit, s": first - continued,
        "to having caught up, s": last - continued,
    }


def _catch_up(bench: Bench, load: Load, near: float) -> tuple[float, int, float, int]:
    """Wait until not more than so many records are left: moment and records done at the first commit and the last."""
    deadline = time.monotonic() + CATCH_UP_SECONDS
    before, first = _done(bench, load), (0.0, 0)
    while True:
        done, now = _done(bench, load), time.monotonic()
        if done > before and not first[0]:
            first = (now, done)
        if load.sent - done <= near:
            return *(first if first[0] else (now, before)), now, done
        if now > deadline:
            raise NotReady(f"{load.sent - done:,} records were still left after {CATCH_UP_SECONDS:g} seconds.")
        time.sleep(LOOK_SECONDS)


def _done(bench: Bench, load: Load) -> int:
    committed = bench.lab.progress(load.begun)
    return sum(max(0, committed.get(place, begun) - begun) for place, begun in load.begun.items())
