"""What a sensor has told already: only news goes into the event log, and a sign of life now and then."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dagster as dg

Event = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation

REPEAT_SECONDS: Final = 1800.0
"""An unchanged state is told again after this time."""


class Reports:
    """Collects a tick's events; those that say nothing new are dropped.

    `memory` is kept from tick to tick for the sensor's own use. Both are in a file and not in the sensor's
    cursor: Dagster keeps a copy of a cursor with every tick, which would be gigabytes a year.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        state = _read(file)
        self.memory: dict[str, Any] = state.get("memory", {})
        self._told: dict[str, tuple[str, float]] = state.get("told", {})
        self.events: list[Event] = []

    def add(
        self, event: Event, facts: Mapping[str, Any], *, repeat: bool = True, pause: float = 0, since: float = 0
    ) -> None:
        """Report an event if its facts changed since they were last told.

        Args:
            event: what to report.
            facts: what makes it news.
            repeat: also report it when nothing changed for a long time.
            pause: seconds for which nothing more of its kind is told, news or not.
            since: also report it when it was told last before this moment, in seconds since 1970.
        """
        name = "/".join([type(event).__name__, *event.asset_key.path, getattr(event, "check_name", "")])
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
        before, at = self._told.get(name, ("", 0.0))
        age = time.time() - at
        if (digest != before and age >= pause) or (repeat and age >= REPEAT_SECONDS) or at < since:
            self._told[name] = (digest, time.time())
            self.events.append(event)

    def result(self, runs: Sequence[dg.RunRequest] = ()) -> dg.SensorResult:
        """What the tick returns; what was told is remembered."""
        if self._file:
            _write(self._file, {"memory": self.memory, "told": self._told})
        return dg.SensorResult(run_requests=list(runs), asset_events=self.events)


def _read(file: Path | None) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(file.read_text()) if file else {}
    except (FileNotFoundError, ValueError):
        # Lost or cut off: everything is news again, and nothing worse.
        return {}
    return state


def _write(file: Path, state: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(state, default=str))
    fresh.replace(file)
