"""How often something is tried again: bounded, with longer and longer pauses, and never for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

# What ails for one look only is often on its way to health: a process restarts, a worker rebalances.
LOOKS: Final = 2
# A thing that ails again and again is asked to be repaired so often within an hour, and then left to people.
MOST: Final = 3
WITHIN_SECONDS: Final = 3600.0


@dataclass(frozen=True)
class Ailment:
    """Something that can be repaired; the same `id` is the same thing."""

    id: str
    detail: str


class Requests:
    """Which repairs were asked for; everything is kept as JSON values from look to look."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._looks: dict[str, int] = dict(state.get("looks", {}))
        self._since: float = state.get("since", 0.0)
        self._set: list[str] = list(state.get("set", []))
        self._asked: dict[str, list[float]] = {name: list(times) for name, times in state.get("asked", {}).items()}

    def look(self, ailments: Iterable[Ailment], now: float) -> str | None:
        """The key of the run that should repair these ailments, or None when no new run is called for.

        The key is a hash of the set and of the moment since when it is this set, so that a run that did not
        help is never asked for again while nothing changes.
        """
        present = {each.id for each in ailments}
        self._looks = {name: self._looks.get(name, 0) + 1 for name in present}
        self._asked = {
            name: kept
            for name, times in self._asked.items()
            if (kept := [at for at in times if now - at < WITHIN_SECONDS])
        }
        lasting = sorted(
            name for name, looks in self._looks.items() if looks >= LOOKS and len(self._asked.get(name, [])) < MOST
        )
        # Fewer ailments are no news: those that are left were asked about already.
        if not set(lasting) - set(self._set):
            self._set = [name for name in self._set if name in present]
            return None
        self._set, self._since = lasting, now
        for name in lasting:
            self._asked.setdefault(name, []).append(now)
        return hashlib.sha256(f"{self._set} since {self._since}".encode()).hexdigest()[:16]

    @property
    def given_up(self) -> list[str]:
        """What has been asked about as often as is allowed, and ails still."""
        return sorted(name for name in self._looks if len(self._asked.get(name, [])) >= MOST)

    def as_state(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {"looks": self._looks, "since": self._since, "set": self._set, "asked": self._asked}
