"""How much slower than usual this machine is right now: promises in seconds hold on a machine that is not busy."""

from __future__ import annotations

import time
from typing import Final

# What the work below takes on two cores with nothing else to do, in seconds.
USUAL_SECONDS: Final = 0.1
# A moment may be quiet on a machine that is not.
SAMPLES: Final = 4


def slowness() -> float:
    """1 on a quiet machine, more on one that is busy with others' work."""
    return max(1.0, *(_seconds() / USUAL_SECONDS for _ in range(SAMPLES)))


def _seconds() -> float:
    began = time.perf_counter()
    sum(range(4_000_000))
    return time.perf_counter() - began
