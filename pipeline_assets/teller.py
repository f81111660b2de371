"""The progress of a reconciliation in its run's log."""

from __future__ import annotations

import time

import dagster as dg

from resources.reconciliation import Step

LOG_SECONDS = 10.0


class Teller:
    """Progress in the run's log, now and then."""

    def __init__(self, log: dg.DagsterLogManager) -> None:
        """Of one run."""
        self._log = log
        self._rows: dict[str, int] = {}
        self._said = ("", 0.0)

    def __call__(self, step: Step) -> None:
        """Tell of a step, if it is time."""
        self._rows[step.what] = self._rows.get(step.what, 0) + step.rows
        if step.what != self._said[0] or time.monotonic() - self._said[1] > LOG_SECONDS:
            self._said = step.what, time.monotonic()
            rows = self._rows[step.what]
            self._log.info(f"{step.what}: {rows:,} rows" if rows else step.what)
