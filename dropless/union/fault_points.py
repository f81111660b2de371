"""The moments of a transaction at which a test may have the worker killed."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from dropless.fault_points import FaultPoints


class Point(StrEnum):
    """Where a process may be killed."""

    BEFORE_PRODUCE = "before-produce"
    AFTER_PRODUCE = "after-produce"
    AFTER_OFFSETS = "after-offsets"
    DURING_COMMIT = "during-commit"
    AFTER_COMMIT = "after-commit"


Reached = Callable[[Point], None]
"""Told every point but DURING_COMMIT, which lies between AFTER_OFFSETS and AFTER_COMMIT."""

FAULTS: Final = FaultPoints(
    "DROPLESS_FAULT_POINT", Point, (Point.AFTER_OFFSETS, Point.DURING_COMMIT, Point.AFTER_COMMIT), again=True
)
