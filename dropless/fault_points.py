"""Named moments at which a test has a process killed; without its variable, nothing ever happens.

`DROPLESS_FAULT_POINT=during-commit:5:3.5` kills the process with SIGKILL in its fifth commit, 3.5 ms after that had
begun; `after-produce` alone means the first time that the point is reached, at once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

import structlog

from dropless.errors import DroplessError

log = structlog.get_logger()

P = TypeVar("P", bound=StrEnum)


def pass_by(_point: StrEnum) -> None:
    """What happens at every point when no fault was asked for."""


@dataclass(frozen=True)
class FaultPoints(Generic[P]):
    """The moments of one kind of work."""

    variable: str
    points: type[P]
    commit: tuple[P, P, P]
    """The point at which a commit begins, the one that lies within it and is never reported, and its end."""
    again: bool
    """Whether a commit that was over sooner than the kill is followed into the next; else it is killed just after."""

    def reached(self, environment: Mapping[str, str]) -> Callable[[P], None]:
        """What is to happen at the points, from the variable.

        Raises:
            DroplessError: the variable is not `point[:time[:milliseconds]]`.
        """
        text = environment.get(self.variable)
        if not text:
            return pass_by
        point, times, milliseconds, *_ = f"{text}::".split(":")
        try:
            return _Fault(self, self.points(point), int(times or 1), float(milliseconds or 0) / 1000)
        except ValueError:
            raise DroplessError(
                f"{self.variable} is {text!r}; it must be point[:time[:milliseconds]] with a point of "
                f"{', '.join(self.points)}."
            ) from None


class _Fault(Generic[P]):
    def __init__(self, of: FaultPoints[P], point: P, left: int, seconds: float) -> None:
        self._begins, self._during, self._ends = of.commit
        self._again = of.again
        self._point = point
        self._left = left
        self._seconds = seconds
        self._committing = threading.Event()

    def __call__(self, reached: P) -> None:
        if self._point is self._during:
            self._around_commit(reached)
        elif reached is self._point and self._due():
            # librdkafka sends from threads of its own meanwhile.
            time.sleep(self._seconds)
            self._kill()

    def _around_commit(self, reached: P) -> None:
        if reached is self._ends:
            self._committing.clear()
        elif reached is self._begins and self._due():
            self._committing.set()
            # The commit goes on meanwhile, in threads of delta-rs or librdkafka.
            threading.Timer(self._seconds, self._kill_in_commit).start()

    def _kill_in_commit(self) -> None:
        if self._committing.is_set() or not self._again:
            self._kill()
        # The commit was faster: once more, earlier.
        self._left, self._seconds = 1, self._seconds / 2

    def _due(self) -> bool:
        self._left -= 1
        return self._left == 0

    def _kill(self) -> None:
        log.warning("killed at a fault point", point=self._point.value)
        os.kill(os.getpid(), signal.SIGKILL)
