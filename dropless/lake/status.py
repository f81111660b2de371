"""What a lake writer tells about itself."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import psutil

from dropless.durability import ClientConfig, shown
from dropless.measures import spread

COMMIT_TIMES = 1000
"""Commit times are told of this many newest commits."""


@dataclass
class Status:
    """Counts since the process started; a row counts when its commit is in the table."""

    table: str
    contract_digest: str
    consumer: ClientConfig
    state: str = "starting"
    detail: str = ""
    rows: int = 0
    commits: int = 0
    conflicts: int = 0
    failures: int = 0
    version: int | None = None
    buffered_rows: int = 0
    lag: dict[str, int] = field(default_factory=dict)
    last_commit: float | None = None
    _commit_times: deque[float] = field(default_factory=lambda: deque(maxlen=COMMIT_TIMES))
    _started: float = field(default_factory=time.time)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def committed(self, rows: int, seconds: float, version: int) -> None:
        """Rows are in the table since its `version`; writing and committing them took `seconds`."""
        with self._lock:
            self.rows += rows
            self.commits += 1
            self.version = version
            self.last_commit = time.time()
            self._commit_times.append(1000 * seconds)

    def snapshot(self) -> dict[str, Any]:
        """The status as a JSON object; times in milliseconds, moments in seconds since 1970, lag in records."""
        with self._lock:
            return {
                "process": "lake_writer",
                "table": self.table,
                "state": self.state,
                "detail": self.detail,
                "pid": os.getpid(),
                "started": self._started,
                "resident_bytes": psutil.Process().memory_info().rss,
                "rows_out": self.rows,
                "rows_buffered": self.buffered_rows,
                "commits": self.commits,
                "conflicts": self.conflicts,
                "failures": self.failures,
                "version": self.version,
                "commit_ms": spread(self._commit_times),
                "last_commit": self.last_commit,
                "lag": dict(self.lag),
                "contract_digest": self.contract_digest,
                "effective": {"consumer": shown(self.consumer)},
            }
