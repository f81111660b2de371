"""What the running Dagster has told of checks since a moment."""

from __future__ import annotations

from collections.abc import Callable, Collection

from slowness import slowness
from webserver import Evaluation, Key, Webserver

TICK_SECONDS = 30

Check = tuple[Key, str]


def newest(
    web: Webserver, checks: Collection[Check], since: float, status: str
) -> Callable[[], dict[Check, Evaluation] | None]:
    """Each check's newest evaluation, once all of them are newer than a moment and as expected."""

    def look() -> dict[Check, Evaluation] | None:
        found = {check: web.evaluation(*check) for check in checks}
        new = {check: each for check, each in found.items() if each and each.at >= since and each.status == status}
        return new if len(new) == len(checks) else None

    return look


def two_ticks() -> float:
    """Seconds for two ticks, and for what they and their reports take."""
    return (2 * TICK_SECONDS + 15) * slowness()
