"""How far a connector has captured its source, and making it forget that."""

from __future__ import annotations

from urllib.parse import quote

from dropless.endpoints import Endpoints
from resources.rest import Rest
from resources.waiting import until

STOP_SECONDS = 60.0


class Capture:
    """The progress that Connect keeps for each connector, as long as that exists."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._rest = Rest("Kafka Connect", endpoints.kafka_connect, timeout_seconds=60)

    def begun(self, connector: str) -> bool | None:
        """Whether it has captured anything yet; None when there is no such connector.

        Raises:
            Unreachable: Kafka Connect does not answer.
        """
        path = f"/connectors/{quote(connector, safe='')}/offsets"
        response = self._rest.call(f"show the offsets of connector {connector!r}", "GET", path, accept=[404])
        return None if response.status_code == 404 else bool(response.json()["offsets"])

    def forget(self, connector: str) -> None:
        """Stop a connector and delete its offsets: resumed, it reads its source from the beginning.

        Raises:
            NotReady: its tasks did not stop within a minute.
            Unreachable: Kafka Connect does not answer.
        """
        path = f"/connectors/{quote(connector, safe='')}"
        self._rest.call(f"stop connector {connector!r}", "PUT", f"{path}/stop")

        def working() -> str | None:
            status = self._rest.call(f"show connector {connector!r}", "GET", f"{path}/status").json()
            stopped = status["connector"]["state"] == "STOPPED" and not status["tasks"]
            return None if stopped else f"connector {connector!r} still has a task."

        until("Kafka Connect", working, STOP_SECONDS)
        self._rest.call(f"delete the offsets of connector {connector!r}", "DELETE", f"{path}/offsets")
