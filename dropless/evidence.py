"""Proof that rows flow: how far behind the sources' own clocks each stage certainly is, told by heartbeats.

A heartbeat row is written to a source like any other row. When it has come out of the connector, so has
everything that was committed before it, since a connector reads in the order of commits; when the union has
read all that the raw topics held then, all of that is in the unified topic, and so on. Heartbeats themselves
stay out of the unified rows, so that no analyst ever meets one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dropless.lag import MARKER, Position

WAITING: Final = 20
"""How many heartbeats are remembered on their way through one stage."""


@dataclass
class Passage:
    """One source's heartbeats at one stage: the newest one that passed, and those before it."""

    through: float | None = None
    """When the newest heartbeat that passed was written at the source, in seconds since 1970."""
    waiting: list[tuple[float, dict[Position, int]]] = field(default_factory=list)
    """When each was written, and the ends of the stage's input when it arrived there."""

    def arrived(self, beat: float, ends: Mapping[Position, int]) -> None:
        """A heartbeat has come as far as this stage's input, whose ends these are."""
        newest = max([self.through or 0.0, *(at for at, _ in self.waiting)])
        if beat > newest:
            self.waiting.append((beat, dict(ends)))
        if len(self.waiting) > WAITING:
            # The oldest must pass first and the newest is the news; one between them is missed least.
            del self.waiting[WAITING // 2]

    def read(self, positions: Mapping[Position, int]) -> None:
        """The stage has read so far: positions are next offsets."""
        while self.waiting and all(
            positions.get(place, 0) >= end - MARKER for place, end in self.waiting[0][1].items()
        ):
            self.through = self.waiting.pop(0)[0]

    @classmethod
    def remembered(cls, state: Mapping[str, Any]) -> Passage:
        """From `as_state`, as it comes out of JSON."""
        waiting = [(at, {(topic, number): end for topic, number, end in ends}) for at, ends in state.get("waiting", [])]
        return cls(state.get("through"), waiting)

    def as_state(self) -> dict[str, Any]:
        """The same as JSON values."""
        waiting = [(at, [(topic, number, end) for (topic, number), end in ends.items()]) for at, ends in self.waiting]
        return {"through": self.through, "waiting": waiting}


@dataclass(frozen=True)
class Stage:
    """A stage as it is judged: how old the newest heartbeat that passed it may be, in seconds."""

    name: str
    through: float | None
    limit: float

    def late(self, now: float) -> bool:
        """Whether the newest heartbeat that passed is too old, or none has passed ever."""
        return self.through is None or now - self.through > self.limit


def held_up_by(stages: tuple[Stage, ...], now: float) -> Stage | None:
    """The first stage, in the order of the way of a row, that heartbeats do not pass in time; None when all do."""
    return next((stage for stage in stages if stage.late(now)), None)
