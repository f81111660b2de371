"""Small measures that our processes tell of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Median, 99th percentile and newest of some values, in their unit; None when there are none."""
    if not values:
        return {"p50": None, "p99": None, "last": None}
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else [values[0]] * 99
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2), "last": round(values[-1], 2)}
