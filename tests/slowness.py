"""How much slower than usual this machine is right now: promises in seconds hold on a machine that is not busy."""

from __future__ import annotations

import time
from typing import Final

# What the work below takes on two cores with nothing else to do, in seconds.
USUAL_SECONDS: Final = 0.2


def slowness() -> float:
    """1 on a quiet machine, more on one that is busy with others' work."""
    began = time.perf_counter()
    total = 0
    for number in range(2_000_000):
        total += number
    assert total
    return max(1.0, (time.perf_counter() - began) / USUAL_SECONDS)
