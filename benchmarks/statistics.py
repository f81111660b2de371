"""Ratios of pairs, with what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

RESAMPLES: Final = 10_000
CONFIDENCE: Final = 0.95
# A time series is resampled in so many blocks, so often.
BLOCKS: Final = 60
BLOCK_RESAMPLES: Final = 1_000


@dataclass(frozen=True)
class Estimate:
    """A median and its bootstrap confidence interval; with one value all three are equal."""

    value: float
    low: float
    high: float


def median(values: Sequence[float], seed: int = 1) -> Estimate:
    """The median of some values, with a 95 % interval by the percentile bootstrap (Efron 1979).

    For a ratio of pairs, the values are the pairs' ratios, so that pairs are resampled whole.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    found = np.asarray(values, float)
    drawn = np.random.default_rng(seed).choice(found, (RESAMPLES, len(found)))
    low, high = np.quantile(np.median(drawn, axis=1), ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Estimate(float(np.median(found)), float(low), float(high))


def percentile(values: Sequence[float], share: float) -> float:
    """An exact percentile: the smallest value that this share of all values does not exceed."""
    return float(np.quantile(np.asarray(values, float), share, method="inverted_cdf"))


def percentile_estimate(values: Sequence[float], share: float, seed: int = 1) -> Estimate:
    """A percentile with a 95 % interval; the values follow in time, so they are resampled in blocks."""
    found = np.asarray(values, float)
    blocks = np.array_split(found, max(2, min(BLOCKS, len(found))))
    random = np.random.default_rng(seed)
    drawn = [
        np.quantile(np.concatenate([blocks[each] for each in random.integers(0, len(blocks), len(blocks))]), share)
        for _ in range(BLOCK_RESAMPLES)
    ]
    low, high = np.quantile(drawn, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Estimate(percentile(values, share), float(low), float(high))
