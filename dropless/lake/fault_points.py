"""Named moments of the lake's work at which a test has the process killed; without the variable, nothing ever happens.

`DROPLESS_LAKE_FAULT_POINT=during-commit:5:3.5` kills the process with SIGKILL in its fifth commit, 3.5 ms after the
point was reached; `after-files` alone means the first time, at once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import structlog

from dropless.errors import DroplessError

log = structlog.get_logger()

VARIABLE: Final = "DROPLESS_LAKE_FAULT_POINT"


class Point(StrEnum):
    """Where a process may be killed; the writer passes the last three, a merge all of them."""

    BEFORE_DELETIONS = "before-deletions"
    AFTER_DELETIONS = "after-deletions"
    AFTER_FILES = "after-files"
    BEFORE_COMMIT = "before-commit"
    DURING_COMMIT = "during-commit"
    AFTER_COMMIT = "after-commit"


Reached = Callable[[Point], None]


def pass_by(_point: Point) -> None:
    """What happens at every point when no fault was asked for."""


def from_environment(environment: Mapping[str, str]) -> Reached:
    """What is to happen at the points, from `DROPLESS_LAKE_FAULT_POINT`.

    Raises:
        DroplessError: the variable is not `point[:time[:milliseconds]]`.
    """
    text = environment.get(VARIABLE)
    if not text:
        return pass_by
    point, times, milliseconds, *_ = f"{text}::".split(":")
    try:
        return _Fault(Point(point), int(times or 1), float(milliseconds or 0) / 1000)
    except ValueError:
        points = ", ".join(Point)
        raise DroplessError(
            f"{VARIABLE} is {text!r}; it must be point[:time[:milliseconds]] with a point of {points}."
        ) from None


class _Fault:
    def __init__(self, point: Point, left: int, seconds: float) -> None:
        self._point = point
        self._left = left
        self._seconds = seconds

    def __call__(self, reached: Point) -> None:
        if reached is not self._point:
            return
        self._left -= 1
        if self._left == 0:
            if self._point is Point.DURING_COMMIT:
                # The commit goes on meanwhile, in delta-rs' own threads.
                threading.Timer(self._seconds, self._kill).start()
            else:
                self._kill()

    def _kill(self) -> None:
        log.warning("killed at a fault point", point=self._point.value)
        os.kill(os.getpid(), signal.SIGKILL)
