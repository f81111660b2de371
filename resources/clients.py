"""The configurations with which Kafka's clients run, asked of whoever knows them.

Our own processes tell theirs; a connector's and a Pinot table's are told by Connect and Pinot; Java servers
tell nobody, so what counts is the file that the running process was started with, if it is the same still.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil

from dropless import durability
from dropless.desired.pinot import stream_of
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from dropless.invariants import Client, Connector, PinotStream, Worker, texts, under
from dropless.processes import OwnProcess
from resources.platform import LocalPlatform, ProcessStatus
from resources.rest import Rest

STATUS_SECONDS = 3.0


def own_status(process: OwnProcess) -> dict[str, Any]:
    """What one of our processes tells about itself.

    Raises:
        Unreachable: it does not.
    """
    try:
        # Loopback addresses never go through a proxy of the environment.
        response = httpx.get(process.status_url, timeout=STATUS_SECONDS, trust_env=False)
    except httpx.TransportError as error:
        raise Unreachable(f"Process {process.name} does not tell how it is at {process.status_url}: {error}.") from None
    status: dict[str, Any] = response.json()
    return status


def own_clients(process: OwnProcess) -> tuple[Client, ...]:
    """The effective configurations of one of our processes' Kafka clients.

    Raises:
        Unreachable: it does not answer.
    """
    effective: Mapping[str, Mapping[str, Any]] = own_status(process).get("effective", {})
    return tuple(
        Client(process.name, "producer" if role == "producer" else "consumer", texts(config))
        for role, config in effective.items()
    )


class ServerClients:
    """The clients inside of Kafka Connect, the schema registry and Pinot."""

    def __init__(self, endpoints: Endpoints, platform: LocalPlatform) -> None:
        self._platform = platform
        self._connect = Rest("Kafka Connect", endpoints.kafka_connect, STATUS_SECONDS)
        self._pinot = Rest(
            "Pinot's controller", [endpoints.pinot_controller], STATUS_SECONDS, login=endpoints.pinot_login
        )

    def workers(self) -> tuple[Worker, ...]:
        """Every Connect worker.

        Raises:
            DroplessError: one does not run, or its file was changed since it started.
        """
        return tuple(Worker(each.name, _started_with(each)) for each in self._running("kafka_connect"))

    def registries(self) -> tuple[Client, ...]:
        """The producer and the consumer of every schema registry's journal.

        Raises:
            DroplessError: one does not run, or its file was changed since it started.
        """
        found = []
        for each in self._running("schema_registry"):
            config = _started_with(each)
            for role in ("producer", "consumer"):
                own = under(config, f"apicurio.kafkasql.{role}.")
                found.append(Client(each.name, "producer" if role == "producer" else "consumer", own))
        return tuple(found)

    def connector(self, name: str, workers: tuple[Worker, ...]) -> Connector:
        """A connector; Connect shows a password as the reference that it was given.

        Raises:
            DroplessError: there is no such connector, or Connect does not answer.
        """
        path = f"/connectors/{quote(name, safe='')}/config"
        config = self._connect.call(f"show connector {name!r}", "GET", path).json()
        # Whichever worker runs it: what not all of them say is not inherited for sure.
        common = [set(worker.config.items()) for worker in workers]
        return Connector(name, texts(config), dict(set.intersection(*common)) if common else {})

    def pinot(self, table: str) -> PinotStream:
        """The stream configuration of a table.

        Raises:
            DroplessError: there is no such table, or Pinot does not answer.
        """
        path, parameters = f"/tables/{quote(table, safe='')}", {"type": "realtime"}
        config = self._pinot.call(f"show table {table!r}", "GET", path, params=parameters).json().get("REALTIME")
        if not config:
            raise DroplessError(f"Pinot has no table {table!r}: provision it.")
        return PinotStream(table, texts(stream_of(config)), durability.pinot_layer())

    def _running(self, system: str) -> list[ProcessStatus]:
        found = [each for each in self._platform.status() if each.system == system]
        if away := [each.name for each in found if not each.pid]:
            raise Unreachable(f"Process {away[0]} does not run.")
        return found


def _started_with(status: ProcessStatus) -> dict[str, str]:
    """The properties file on a running process's command line."""
    try:
        process = psutil.Process(status.pid)
        command, started = process.cmdline(), process.create_time()
    except psutil.Error:
        raise Unreachable(f"Process {status.name} does not run.") from None
    path = next((Path(each.rpartition("=")[2]) for each in command if each.endswith(".properties")), None)
    if path is None or not path.is_file():
        raise DroplessError(f"The file that {status.name} was started with is gone: restart it.")
    if path.stat().st_mtime > started + 1:
        raise DroplessError(f"{path} was changed after {status.name} was started: restart it.")
    lines = (line.partition("=") for line in path.read_text().splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines if name}
