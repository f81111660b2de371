"""How long a source still keeps the changes that its connector has yet to read, and whether some are gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Less than this, and a night's outage ends in a gap.
ENOUGH_SECONDS: Final = 12 * 3600.0
# What is slower than this would fill no disk within years.
NEGLIGIBLE_BYTES_PER_SECOND: Final = 1.0


@dataclass(frozen=True)
class Slot:
    """A replication slot; sizes and positions (LSN) in bytes, `safe` is None where there is no limit."""

    active: bool
    wal_status: str
    retained: int
    safe: int | None
    written: int
    """How far the server has written its WAL."""


@dataclass(frozen=True)
class Oplog:
    """The span of a MongoDB oplog, as seconds since 1970."""

    oldest: float
    newest: float


def rate(before: tuple[float, int] | None, now: float, written: int) -> float:
    """WAL bytes a second since an earlier look, given as its moment and position."""
    if before is None or now <= before[0]:
        return 0.0
    return max(0.0, (written - before[1]) / (now - before[0]))


def seconds_left(slot: Slot, bytes_per_second: float) -> float | None:
    """Until the slot loses changes, if it stands still and the WAL grows on as it does; None: not in sight."""
    if slot.safe is None or bytes_per_second < NEGLIGIBLE_BYTES_PER_SECOND:
        return None
    return max(0, slot.safe) / bytes_per_second


def gap(slot: Slot | None, processed: int | None, *, seen_before: bool) -> str | None:
    """Why changes are certainly or possibly missing, or None.

    Args:
        slot: as it is now; None: there is none.
        processed: the position that the slot's reader has processed; None: nobody tells.
        seen_before: whether there was a slot at an earlier look.
    """
    if slot is None:
        return "the replication slot is gone" if seen_before else None
    if slot.wal_status == "lost":
        return "the server removed WAL that the slot still needed"
    if processed is not None and slot.written - slot.retained > processed:
        # A slot never moves beyond what its reader confirmed, and that never beyond what it processed.
        return "the replication slot was made anew, and begins after what its reader had processed"
    return None
