"""How old an answer from Pinot may be, told honestly when nothing happens and when much does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# A raw topic without a newer record than this is idle: its connector's heartbeats, one every five
# seconds, are then the sign that there was nothing to deliver.
IDLE_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Signs:
    """What is known of one source; moments in seconds since 1970, None where there is none."""

    newest_visible: float | None
    """The newest commit time of a row that Pinot shows."""
    newest_record: float | None
    """When the newest record of the raw topic was written, as far as was asked before what waits."""
    newest_captured: float | None
    """The commit time of that record, where it is recent; it may have become a row, a dead letter, or nothing."""
    newest_heartbeat: float | None
    """When the connector last said that it is alive and has nothing else to say."""
    oldest_waiting: float | None
    """The commit time of the oldest record that is in Kafka but not yet in Pinot."""
    undated: bool = False
    """Another record waits in Kafka, whose commit time is not known."""


def staleness(now: float, signs: Signs) -> float | None:
    """At most how many seconds an answer is behind the source; None when there is no sign at all.

    While changes come, the newest that the connector has brought dates the answer. When none come, an old row is
    not a stale one: then the connector's last heartbeat dates it. A record on its way counts from its commit.

    The signs must have been gathered in the order of the way of a row: the newest record, what waits, what is
    visible. A record that is younger than the question what waits would count as one that has arrived, and the
    row before it, perhaps an hour old, would date the answer.
    """
    if signs.oldest_waiting is not None:
        # Everything that was committed before the waiting record is visible.
        return max(0.0, now - signs.oldest_waiting)
    active = signs.newest_record is not None and now - signs.newest_record < IDLE_SECONDS
    # A heartbeat says that there is nothing else: not so while something waits.
    idle = not active and not signs.undated
    dates = [signs.newest_visible, signs.newest_heartbeat if idle else signs.newest_captured]
    known = [date for date in dates if date is not None]
    return max(0.0, now - max(known)) if known else None
