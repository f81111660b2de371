"""Which faults a seed plays, and in which order."""

from __future__ import annotations

import os
import random

import broker_faults
import worker_faults
from scene import Fault

# One of each kind is played; of the points of a transaction two.
KINDS: tuple[tuple[int, tuple[Fault, ...]], ...] = (
    (2, worker_faults.POINTS),
    (1, worker_faults.SLOTS),
    (1, worker_faults.WORKERS),
    (1, worker_faults.MEMBERS),
    (1, broker_faults.KILLED),
    (1, broker_faults.SUSPENDED),
    (1, broker_faults.ROLLING),
    (1, broker_faults.TWO),
    (1, broker_faults.ALL),
    (1, broker_faults.CONTROLLER),
    (1, broker_faults.DISK),
    (1, broker_faults.REGISTRY),
)
FIRST_SEED = int(os.environ.get("DROPLESS_FAULT_SEED", "1"))
SEEDS = range(FIRST_SEED, FIRST_SEED + int(os.environ.get("DROPLESS_FAULT_SEEDS", "1")))
# "all", or some names with commas between; otherwise a sample of every kind.
WANTED = os.environ.get("DROPLESS_FAULTS", "")


def schedule(choose: random.Random) -> list[Fault]:
    """A sample of every kind in a random order, all faults, or those that were named in their order."""
    known = {name(fault): fault for _, kind in KINDS for fault in kind}
    if WANTED and WANTED != "all":
        return [known[each] for each in WANTED.split(",")]
    faults = (
        list(known.values()) if WANTED else [fault for count, kind in KINDS for fault in choose.sample(kind, count)]
    )
    choose.shuffle(faults)
    return faults


def name(fault: Fault) -> str:
    """A fault's name, by which it can be asked for."""
    return str(fault.__name__)
