"""How a backfill stands, read off the rows of its signal table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dropless.backfill.signals import EXECUTE, Note, Signal
from dropless.backfill.slices import Key, Selection


@dataclass(frozen=True)
class Plan:
    """A backfill of one source: which rows, how many there were at its beginning, up to which key, how fast."""

    id: str
    selection: Selection
    rows: int
    last: Key
    rate: float | None

    def kept(self) -> dict[str, object]:
        """As it is kept in a signal."""
        return {
            "backfill": self.id,
            "where": self.selection.where,
            "keys": [list(key) for key in self.selection.keys],
            "rows": self.rows,
            "last": list(self.last),
            "rate": self.rate,
        }


@dataclass(frozen=True)
class State:
    """How far a backfill is: rows that were read again, and the key up to which they were."""

    plan: Plan
    note: Note
    done: int
    after: Key | None
    at: float

    @property
    def ended(self) -> bool:
        """Whether it is over, in whichever way."""
        return self.note.ends

    @property
    def part(self) -> float:
        """What is done, from 0 to 1; rows that are deleted meanwhile never come."""
        if self.note is Note.COMPLETED:
            return 1.0
        return min(1.0, self.done / self.plan.rows) if self.plan.rows else 0.0


def state(signals: Iterable[Signal]) -> State | None:
    """The newest backfill of a signal table; None when there was none, or its rows were deleted."""
    ours = sorted((each for each in signals if "at" in each.ours), key=lambda each: float(each.ours["at"]))
    begun = [each for each in ours if each.ours.get("note") == Note.BEGUN]
    if not begun:
        return None
    first = begun[-1]
    plan = _plan(first)
    note, done, after = Note.BEGUN, 0, None
    for each in ours[ours.index(first) + 1 :]:
        if each.ours.get("backfill") != plan.id:
            continue
        if each.type == EXECUTE:
            after = tuple(each.ours["after"]) if each.ours["after"] is not None else None
        else:
            note = Note(each.ours["note"])
        done = int(each.ours.get("done", done))
    newest = ours[-1].ours["at"]
    return State(plan, note, done, after, float(newest))


def _plan(signal: Signal) -> Plan:
    ours = signal.ours
    selection = Selection(ours["where"], tuple(tuple(key) for key in ours["keys"]))
    return Plan(ours["backfill"], selection, int(ours["rows"]), tuple(ours["last"]), ours["rate"])
