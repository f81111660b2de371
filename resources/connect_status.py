"""How every connector and each of its tasks is, and how a failed one is restarted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dropless.endpoints import Endpoints
from resources.kafka_connect import HELD, failure
from resources.rest import Rest

STATUS_SECONDS = 3.0
RESTART_SECONDS = 30.0


@dataclass(frozen=True)
class ConnectorStatus:
    """A connector's own state and its tasks', as Connect calls them (RUNNING, FAILED, PAUSED, ...)."""

    name: str
    state: str
    tasks: tuple[str, ...]
    worker: str
    trace: str | None
    """Why it failed: the first line and the cause."""

    @property
    def running(self) -> bool:
        """Whether it and at least one task run, and no task does not."""
        return self.state == "RUNNING" and set(self.tasks) == {"RUNNING"}

    @property
    def failed(self) -> bool:
        """Whether it or a task has failed, and will not run again by itself."""
        return "FAILED" in (self.state, *self.tasks)

    @property
    def held(self) -> bool:
        """Whether somebody paused or stopped it; it never does that by itself."""
        return self.state in HELD

    @property
    def said(self) -> str:
        """Its state in words."""
        if not self.tasks:
            return f"{self.state} without a task"
        states = "its task is" if len(self.tasks) == 1 else "its tasks are"
        return f"{self.state}, {states} {', '.join(self.tasks)}"


class ConnectStatus:
    """Asks Kafka Connect's REST interface, for a few seconds at most."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._rest = Rest("Kafka Connect", endpoints.kafka_connect, STATUS_SECONDS)
        self._patient = Rest("Kafka Connect", endpoints.kafka_connect, RESTART_SECONDS)

    def all(self) -> dict[str, ConnectorStatus]:
        """Every connector by name.

        Raises:
            Unreachable: Connect does not answer.
        """
        answer = self._rest.call("tell how its connectors are", "GET", "/connectors", params={"expand": "status"})
        return {name: _status(name, each["status"]) for name, each in answer.json().items() if "status" in each}

    def processed_lsn(self, name: str) -> int | None:
        """How far a PostgreSQL connector has processed the WAL, in bytes; None before it has.

        Raises:
            Unreachable: Connect does not answer.
        """
        path = f"/connectors/{quote(name, safe='')}/offsets"
        answer = self._rest.call(f"show the offsets of connector {name!r}", "GET", path, accept=[404]).json()
        positions = [each["offset"].get("lsn_proc") for each in answer.get("offsets", []) if each.get("offset")]
        return max((int(each) for each in positions if each is not None), default=None)

    def restart_failed(self, name: str) -> None:
        """Restart the connector and those of its tasks that failed; what runs goes on.

        Raises:
            Unreachable: Connect does not answer.
            DroplessError: it refused.
        """
        path = f"/connectors/{quote(name, safe='')}/restart"
        parameters = {"includeTasks": "true", "onlyFailed": "true"}
        # 404 and 409: the connector was deleted, or a rebalance is under way; the next look tells.
        self._patient.call(f"restart connector {name!r}", "POST", path, params=parameters, accept=[404, 409])


def _status(name: str, found: dict[str, Any]) -> ConnectorStatus:
    tasks = found.get("tasks", [])
    return ConnectorStatus(
        name,
        found["connector"]["state"],
        tuple(each["state"] for each in tasks),
        found["connector"]["worker_id"],
        failure(found) or None,
    )
