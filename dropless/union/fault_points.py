"""Named moments of a transaction at which a test has the worker killed; without the variable, nothing ever happens.

`DROPLESS_FAULT_POINT=during-commit:5:3.5` kills the process with SIGKILL in its fifth transaction, 3.5 ms after
the point was reached; `after-produce` alone means the first transaction, at once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import structlog

from dropless.errors import DroplessError

log = structlog.get_logger()

VARIABLE: Final = "DROPLESS_FAULT_POINT"


class Point(StrEnum):
    """Where a process may be killed."""

    BEFORE_PRODUCE = "before-produce"
    AFTER_PRODUCE = "after-produce"
    AFTER_OFFSETS = "after-offsets"
    DURING_COMMIT = "during-commit"
    AFTER_COMMIT = "after-commit"


Reached = Callable[[Point], None]
"""Told every point but DURING_COMMIT, which lies between AFTER_OFFSETS and AFTER_COMMIT."""


def pass_by(_point: Point) -> None:
    """What happens at every point when no fault was asked for."""


def from_environment(environment: Mapping[str, str]) -> Reached:
    """What is to happen at the points, from `DROPLESS_FAULT_POINT`.

    Raises:
        DroplessError: the variable is not `point[:transaction[:milliseconds]]`.
    """
    text = environment.get(VARIABLE)
    if not text:
        return pass_by
    point, transaction, milliseconds, *_ = f"{text}::".split(":")
    try:
        return _Fault(Point(point), int(transaction or 1), float(milliseconds or 0) / 1000)
    except ValueError:
        points = ", ".join(Point)
        raise DroplessError(
            f"{VARIABLE} is {text!r}; it must be point[:transaction[:milliseconds]] with a point of {points}."
        ) from None


class _Fault:
    def __init__(self, point: Point, transaction: int, seconds: float) -> None:
        self._point = point
        self._left = transaction
        self._seconds = seconds
        self._committing = threading.Event()

    def __call__(self, reached: Point) -> None:
        if self._point is Point.DURING_COMMIT:
            self._around_commit(reached)
        elif reached is self._point and self._due():
            # librdkafka sends from threads of its own meanwhile.
            time.sleep(self._seconds)
            self._kill()

    def _around_commit(self, reached: Point) -> None:
        if reached is Point.AFTER_COMMIT:
            self._committing.clear()
        elif reached is Point.AFTER_OFFSETS and self._due():
            self._committing.set()
            threading.Timer(self._seconds, self._kill_in_commit).start()

    def _kill_in_commit(self) -> None:
        if self._committing.is_set():
            self._kill()
        # The commit was faster: once more, earlier.
        self._left, self._seconds = 1, self._seconds / 2

    def _due(self) -> bool:
        self._left -= 1
        return self._left == 0

    def _kill(self) -> None:
        log.warning("killed at a fault point", point=self._point.value)
        os.kill(os.getpid(), signal.SIGKILL)
