"""What a sensor has told already: only news goes into the event log, and a sign of life now and then."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

Event = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation

REPEAT_SECONDS: Final = 300.0
"""An unchanged state is told again after this time."""


class Reports:
    """Collects a tick's events; those that say nothing new are dropped.

    `memory` is kept from tick to tick in the sensor's cursor, for the sensor's own use.
    """

    def __init__(self, cursor: str | None) -> None:
        state = json.loads(cursor) if cursor else {}
        self.memory: dict[str, Any] = state.get("memory", {})
        self._told: dict[str, tuple[str, float]] = state.get("told", {})
        self._events: list[Event] = []

    def add(self, event: Event, facts: Mapping[str, Any], *, repeat: bool = True, pause: float = 0) -> None:
        """Report an event if its facts changed since they were last told.

        Args:
            event: what to report.
            facts: what makes it news.
            repeat: also report it when nothing changed for a long time.
            pause: seconds for which nothing more of its kind is told, news or not.
        """
        name = "/".join([type(event).__name__, *event.asset_key.path, getattr(event, "check_name", "")])
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
        before, at = self._told.get(name, ("", 0.0))
        age = time.time() - at
        if (digest != before and age >= pause) or (repeat and age >= REPEAT_SECONDS):
            self._told[name] = (digest, time.time())
            self._events.append(event)

    def result(self) -> dg.SensorResult:
        """What the tick returns."""
        cursor = json.dumps({"memory": self.memory, "told": self._told})
        return dg.SensorResult(asset_events=self._events, cursor=cursor)
