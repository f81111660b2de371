"""The segments of a real-time table: which are consumed, having new ones begun, having all dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dropless.endpoints import Endpoints
from resources.rest import Rest
from resources.waiting import until

# A commit takes the build of a segment and its upload to the deep store.
COMMIT_SECONDS = 120
DROP_SECONDS = 60


def drop_table(endpoints: Endpoints, name: str) -> None:
    """Drop a real-time table with its rows and wait until it is gone; one that is not there is fine.

    Raises:
        NotReady: its segments are still there after a minute.
        Unreachable: the controller does not answer.
    """
    controller = Rest("Pinot's controller", [endpoints.pinot_controller])
    path, parameters = f"/tables/{quoted(name)}", {"type": "realtime"}
    controller.call(f"drop table {name!r}", "DELETE", path, params=parameters, accept=[404])

    def left() -> str | None:
        answer = controller.call(f"show table {name!r}", "GET", f"{path}/externalview", params=parameters, accept=[404])
        view = answer.json().get("REALTIME") if answer.is_success else None
        return f"table {name!r} still has {len(view)} segments." if view else None

    until("Pinot", left, DROP_SECONDS)


def begin_new_segments(controller: Rest, table: str) -> None:
    """Commit the segments in which rows are being consumed.

    Only those begun afterwards have the table's new columns, transformations, indexes and stream settings;
    without this they would come when the present ones are full, hours later.
    """
    path = f"/tables/{quoted(table)}"

    def ask() -> set[str]:
        doing = f"show what table {table!r} consumes"
        answer = controller.call(doing, "GET", f"{path}/consumingSegmentsInfo", accept=[404])
        return set() if answer.status_code == 404 else set(answer.json()["_segmentToConsumingInfoMap"])

    if old := ask():
        controller.call(f"commit what table {table!r} consumes", "POST", f"{path}/forceCommit")
        until(
            "Pinot",
            lambda: f"table {table!r} still consumes its old segments." if ask() & old else None,
            COMMIT_SECONDS,
        )


def quoted(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="")


def consuming(segments: Mapping[str, Any]) -> set[int]:
    """The stream partitions that at least one server consumes now, from `consumingSegmentsInfo`."""
    return {
        partition(segment)
        for segment, servers in segments.get("_segmentToConsumingInfoMap", {}).items()
        if any(server["consumerState"] == "CONSUMING" for server in servers)
    }


def partition(segment: str) -> int:
    """The stream partition of a real-time segment, named `table__partition__sequence__time`."""
    return int(segment.rsplit("__", 3)[1])
