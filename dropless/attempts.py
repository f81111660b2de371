"""How often something is tried again: bounded, with longer and longer pauses, and never for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

# What ails for one look only is often on its way to health: a process restarts, a worker rebalances.
LOOKS: Final = 2
# Repair is asked for so often, and then the thing is left to people until it has been well for an hour.
MOST: Final = 3
WELL_SECONDS: Final = 3600.0
# The run itself has several attempts; one that was cut off is asked for again only after this, then twice this.
PAUSE_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Ailment:
    """Something that can be repaired; the same `id` is the same thing."""

    id: str
    detail: str


@dataclass
class _Record:
    """One ailment: how many looks in a row have seen it, when the last one did, and when repair was asked for."""

    looks: int = 0
    seen: float = 0.0
    asked: list[float] = field(default_factory=list)

    def due(self, now: float) -> bool:
        if self.looks < LOOKS or len(self.asked) >= MOST:
            return False
        return not self.asked or now - self.asked[-1] >= PAUSE_SECONDS * 2 ** (len(self.asked) - 1)


class Requests:
    """Which repairs were asked for; everything is kept as JSON values from look to look."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._records = {name: _Record(**each) for name, each in state.items()}

    def look(self, ailments: Iterable[Ailment], now: float) -> str | None:
        """The key of the run that should repair these ailments, or None when no new run is called for.

        The key is a hash of what ails and since when this is asked, so that no run is asked for twice.
        """
        present = {each.id for each in ailments}
        for name in present:
            record = self._records.setdefault(name, _Record())
            record.looks, record.seen = record.looks + 1, now
        for name, record in list(self._records.items()):
            if name not in present:
                record.looks = 0
                if not record.asked or now - record.seen >= WELL_SECONDS:
                    del self._records[name]
        if not any(record.due(now) for record in self._records.values()):
            return None
        lasting = sorted(name for name, record in self._records.items() if record.looks >= LOOKS)
        for name in lasting:
            if self._records[name].due(now):
                self._records[name].asked.append(now)
        return hashlib.sha256(f"{lasting} since {now}".encode()).hexdigest()[:16]

    @property
    def given_up(self) -> list[str]:
        """What has been asked about as often as is allowed, and ails still."""
        return sorted(name for name, each in self._records.items() if each.looks >= LOOKS and len(each.asked) >= MOST)

    def as_state(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {name: asdict(each) for name, each in self._records.items()}
