"""Ends the process when a call that ignores its own time-out does not return."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger()

STUCK = 75
"""The exit code of a process that gave up on a stuck call (EX_TEMPFAIL: try again)."""
LOOK_SECONDS = 0.2


class Watchdog:
    """Watches the worker's thread from its own.

    `send_offsets_to_transaction` can block for ever while the group's coordinator is down
    (librdkafka#5456), and nothing inside the blocked thread can end it. Leaving is safe at any
    moment: an unfinished transaction is aborted by the successor.
    """

    def __init__(self) -> None:
        self._deadline: float | None = None
        self._call = ""
        self._last: float | None = None
        self._away = 0.0
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextmanager
    def guard(self, call: str, seconds: float) -> Iterator[None]:
        """The calls made within must return in that time, in which the process runs; guards do not nest."""
        self._call = call
        self._deadline = self._clock() + seconds
        try:
            yield
        finally:
            self._deadline = None

    def leave_within(self, seconds: float) -> None:
        """The process ends in that time, finished or not."""
        self._last = time.monotonic() + seconds

    def _clock(self) -> float:
        """Seconds in which this process has run, from some moment on."""
        return time.monotonic() - self._away

    def _watch(self) -> None:
        looked = time.monotonic()
        while True:
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            away, looked = now - looked - LOOK_SECONDS, now
            if away > LOOK_SECONDS:
                # This process was suspended, or got no processor: no call could return in that time.
                self._away += away
            deadline, last = self._deadline, self._last
            if last is not None:
                # Whoever told the process to stop does not want it started again, even if a call is stuck.
                if now > last:
                    log.warning("leaving without waiting for the brokers", call=self._call if deadline else None)
                    os._exit(0)
            elif deadline is not None and self._clock() > deadline:
                log.critical("a call did not return; leaving, to be started again", call=self._call)
                os._exit(STUCK)
