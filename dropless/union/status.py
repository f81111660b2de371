"""What one union process tells about itself."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil

from dropless.durability import ClientConfig, shown
from dropless.measures import spread
from dropless.union.batch import Batch

COMMIT_TIMES = 1000
"""Commit times are told of this many newest batches."""


@dataclass
class Status:
    """Counts since the process started; a row counts when its transaction is committed."""

    table: str
    slot: int
    contract_digest: str
    consumer: ClientConfig
    producer: ClientConfig
    state: str = "starting"
    batches: int = 0
    batches_rewound: int = 0
    producers_made: int = 0
    missing_topics: list[str] = field(default_factory=list)
    lag: dict[str, int] = field(default_factory=dict)
    assignment: tuple[str, ...] = ()
    last_commit: float | None = None
    _rows: dict[str, Counter[str]] = field(default_factory=dict)
    _commit_times: deque[float] = field(default_factory=lambda: deque(maxlen=COMMIT_TIMES))
    _started: float = field(default_factory=time.time)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def committed(self, batch: Batch, seconds: float) -> None:
        """A batch was committed; `seconds` from the transaction's begin to its end."""
        with self._lock:
            self.batches += 1
            self.last_commit = time.time()
            self._commit_times.append(seconds)
            for source, counts in batch.counts.items():
                self._rows.setdefault(source, Counter()).update(counts)

    def snapshot(self) -> dict[str, Any]:
        """The status as a JSON object; times in milliseconds, moments in seconds since 1970, lag in records."""
        with self._lock:
            sources = {source: _rows(counts) for source, counts in self._rows.items()}
            times = [1000 * seconds for seconds in self._commit_times]
            return {
                "process": "union",
                "table": self.table,
                "slot": self.slot,
                "state": self.state,
                "pid": os.getpid(),
                "started": self._started,
                "resident_bytes": psutil.Process().memory_info().rss,
                **_rows(sum(self._rows.values(), Counter())),
                "sources": sources,
                "batches": self.batches,
                "batches_rewound": self.batches_rewound,
                "producers_remade": max(0, self.producers_made - 1),
                "commit_ms": spread(times),
                "last_commit": self.last_commit,
                "lag": dict(self.lag),
                "assignment": list(self.assignment),
                "missing_topics": list(self.missing_topics),
                "contract_digest": self.contract_digest,
                "effective": {"consumer": shown(self.consumer), "producer": shown(self.producer)},
            }


def _rows(counts: Mapping[str, int]) -> dict[str, int]:
    return {f"rows_{kind}": counts.get(kind, 0) for kind in ("in", "out", "dead", "skipped")}
