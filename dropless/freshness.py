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
    """When the newest record of the raw topic was written."""
    newest_heartbeat: float | None
    """When the connector last said that it is alive and has nothing else to say."""
    oldest_waiting: float | None
    """The commit time of the oldest record that is in Kafka but not yet in Pinot."""


def staleness(now: float, signs: Signs) -> float | None:
    """At most how many seconds an answer is behind the source; None when there is no sign at all.

    While changes come, the newest visible one dates the answer. When none come, an old row is not a
    stale one: then the connector's last heartbeat dates it. A record on its way counts from its commit.
    """
    if signs.oldest_waiting is not None:
        # Everything that was committed before the waiting record is visible.
        return max(0.0, now - signs.oldest_waiting)
    active = signs.newest_record is not None and now - signs.newest_record < IDLE_SECONDS
    dates = [signs.newest_visible] if active else [signs.newest_visible, signs.newest_heartbeat]
    known = [date for date in dates if date is not None]
    return max(0.0, now - max(known)) if known else None
