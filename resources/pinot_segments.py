"""The segments of a real-time table: which are consumed, having new ones begun, having all dropped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from dropless.endpoints import Endpoints
from dropless.errors import Unreachable
from resources.rest import Rest
from resources.waiting import until

# A commit takes the build of a segment and its upload to the deep store.
COMMIT_SECONDS = 120
ASK_AGAIN_SECONDS = 15
DROP_SECONDS = 60
LET_GO_SECONDS = 10
"""A server looks every second. One that was not told to drop a table, since it was dropped before any segment
was seen, keeps what it holds for the next table of that name and does that no harm."""
LOOK_SECONDS = 0.2
REALTIME: Final = {"type": "realtime"}


def drop_table(endpoints: Endpoints, name: str) -> None:
    """Drop a real-time table with its rows and wait until it is gone; one that is not there is fine.

    Raises:
        NotReady: its segments are still there after a minute.
        Unreachable: the controller does not answer.
    """
    controller = Rest("Pinot's controller", [endpoints.pinot_controller], login=endpoints.pinot_login)
    controller.call(f"drop table {name!r}", "DELETE", f"/tables/{quoted(name)}", params=REALTIME, accept=[404])
    await_gone(controller, name)


def await_gone(controller: Rest, name: str) -> None:
    """Wait until a table of this name can be made without falling victim to the dropping of an earlier one.

    A server that was told to drop a table waits until no segment of it is seen any more, and then throws away
    whatever it holds under that name: also what a new table has begun to consume, which then nobody consumes.

    Raises:
        NotReady: there are still segments after a minute.
        Unreachable: the controller does not answer.
    """

    def seen() -> str | None:
        doing, path = f"show table {name!r}", f"/tables/{quoted(name)}/externalview"
        answer = controller.call(doing, "GET", path, params=REALTIME, accept=[404])
        view = answer.json().get("REALTIME") if answer.is_success else None
        return f"table {name!r} still has {len(view)} segments." if view else None

    until("Pinot", seen, DROP_SECONDS)
    deadline = time.monotonic() + LET_GO_SECONDS
    while time.monotonic() < deadline and any(_holds(server, name) for server in _servers(controller)):
        time.sleep(LOOK_SECONDS)


def _servers(controller: Rest) -> list[str]:
    """Where the servers answer questions about themselves."""
    names = controller.call("name its instances", "GET", "/instances").json()["instances"]
    found = [
        controller.call(f"show instance {name!r}", "GET", f"/instances/{quoted(name)}", accept=[404]).json()
        for name in names
        if name.startswith("Server_")
    ]
    return [f"http://{each['hostName']}:{each['adminPort']}" for each in found if each.get("adminPort", -1) > 0]


def _holds(server: str, name: str) -> bool:
    try:
        answer = Rest("A Pinot server", [server]).call("name its tables", "GET", "/tables")
    except Unreachable:
        # Perhaps only from here: then it is given its time.
        return True
    return f"{name}_REALTIME" in answer.json()["tables"]


def outdated(controller: Rest, table: str) -> bool:
    """Whether a segment is consumed that was begun before the schema or the table was last changed.

    ZooKeeper numbers every change, whatever its clocks say.
    """
    cluster = controller.call("tell its name", "GET", "/cluster/info").json()["clusterName"]

    def stat(path: str) -> dict[str, int]:
        doing = f"tell when {path} changed"
        where = f"/{cluster}/PROPERTYSTORE/{path}"
        answer = controller.call(doing, "GET", "/zk/stat", params={"path": where}, accept=[404])
        return answer.json() if answer.is_success else {"czxid": 0, "mzxid": 0}

    changed = max(stat(f"SCHEMAS/{table}")["mzxid"], stat(f"CONFIGS/TABLE/{table}_REALTIME")["mzxid"])
    consumed = _consumed(controller, table)
    return any(0 < stat(f"SEGMENTS/{table}_REALTIME/{segment}")["czxid"] < changed for segment in consumed)


def begin_new_segments(controller: Rest, table: str) -> None:
    """Commit the segments in which rows are being consumed.

    Only those begun afterwards have the table's new columns, transformations, indexes and stream settings;
    without this they would come when the present ones are full, hours later.
    """
    old = set(_consumed(controller, table))
    asked: list[float] = []

    def missing() -> str | None:
        left = {name: servers for name, servers in _consumed(controller, table).items() if name in old}
        if not left:
            return None
        # A server that is just about to begin a segment does not hear it.
        if not asked or time.monotonic() - asked[-1] > ASK_AGAIN_SECONDS:
            controller.call(f"commit what table {table!r} consumes", "POST", f"/tables/{quoted(table)}/forceCommit")
            asked.append(time.monotonic())
        states = ", ".join(f"{name} ({_states(servers)})" for name, servers in sorted(left.items()))
        return f"table {table!r} still consumes old segments: {states}."

    until("Pinot", missing, COMMIT_SECONDS)


def _consumed(controller: Rest, table: str) -> dict[str, Any]:
    doing, path = f"show what table {table!r} consumes", f"/tables/{quoted(table)}/consumingSegmentsInfo"
    answer = controller.call(doing, "GET", path, accept=[404])
    found: dict[str, Any] = {} if answer.status_code == 404 else answer.json()["_segmentToConsumingInfoMap"]
    return found


def _states(servers: list[dict[str, Any]]) -> str:
    return ", ".join(f"{each['consumerState']} at {each.get('partitionToOffsetMap')}" for each in servers) or "nowhere"


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
