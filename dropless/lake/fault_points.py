"""The moments of the lake's work at which a test may have the process killed."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from dropless.fault_points import FaultPoints


class Point(StrEnum):
    """Where a process may be killed; the writer and a restoration pass the last three, a merge all of them."""

    BEFORE_DELETIONS = "before-deletions"
    AFTER_DELETIONS = "after-deletions"
    AFTER_FILES = "after-files"
    BEFORE_COMMIT = "before-commit"
    DURING_COMMIT = "during-commit"
    AFTER_COMMIT = "after-commit"


Reached = Callable[[Point], None]
"""Told every point but DURING_COMMIT, which lies between BEFORE_COMMIT and AFTER_COMMIT."""

FAULTS: Final = FaultPoints(
    # A merge may have one commit only.
    "DROPLESS_LAKE_FAULT_POINT",
    Point,
    (Point.BEFORE_COMMIT, Point.DURING_COMMIT, Point.AFTER_COMMIT),
    again=False,
)
