"""When to alert: once when a problem has lasted a little, and once more when it has been over for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# Shorter troubles mend themselves: a broker restarts, a worker rebalances.
LASTING_SECONDS: Final = 20.0
OVER_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Problem:
    """Something that a person should know; the same `id` is the same problem."""

    id: str
    title: str
    detail: str


@dataclass(frozen=True)
class Alert:
    """What is sent: a problem that has begun, or one that is over; `since` is in seconds since 1970."""

    problem: Problem
    over: bool
    since: float


@dataclass
class Watched:
    """One problem as it is remembered: since when it is there, when it was seen last, to which channels it was told."""

    problem: Problem
    since: float
    seen: float
    told: list[str] = field(default_factory=list)

    @classmethod
    def remembered(cls, state: Mapping[str, Any]) -> Watched:
        """From `as_state`, as it comes out of JSON."""
        return cls(Problem(**state["problem"]), state["since"], state["seen"], list(state["told"]))

    def as_state(self) -> dict[str, Any]:
        """The same as JSON values."""
        problem = {"id": self.problem.id, "title": self.problem.title, "detail": self.problem.detail}
        return {"problem": problem, "since": self.since, "seen": self.seen, "told": self.told}


class Ledger:
    """Which problems there are, and which channel has been told what."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._watched = {name: Watched.remembered(each) for name, each in state.items()}

    def look(self, problems: Mapping[str, Problem], now: float) -> None:
        """Take in the problems that there are now."""
        for name, problem in problems.items():
            known = self._watched.setdefault(name, Watched(problem, now, now))
            known.problem, known.seen = problem, now
        # What was told to nobody needs no end.
        self._watched = {name: each for name, each in self._watched.items() if each.told or each.seen == now}

    def due(self, channel: str, now: float) -> list[Alert]:
        """What a channel should be told now."""
        alerts = []
        for each in self._watched.values():
            if each.seen == now and channel not in each.told and now - each.since >= LASTING_SECONDS:
                alerts.append(Alert(each.problem, over=False, since=each.since))
            elif channel in each.told and each.seen < now and now - each.seen >= OVER_SECONDS:
                alerts.append(Alert(each.problem, over=True, since=each.since))
        return alerts

    def told(self, channel: str, alert: Alert) -> None:
        """A channel has taken an alert."""
        watched = self._watched[alert.problem.id]
        if not alert.over:
            watched.told.append(channel)
            return
        watched.told.remove(channel)
        if not watched.told:
            del self._watched[alert.problem.id]

    def as_state(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {name: each.as_state() for name, each in self._watched.items()}
