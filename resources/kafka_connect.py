"""Connectors of the Kafka Connect cluster: validated by Connect itself, configured, and seen running."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from dropless import names, passwords
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from dropless.plan import Action, Change, Json, Resource
from resources.managed import unmasked
from resources.rest import Rest, message
from resources.restarts import starts_over
from resources.topic_admin import TopicAdmin
from resources.waiting import until

# Honoured by Debezium although its validation does not list them.
UNLISTED = frozenset(
    {
        "capture.mode.full.update.type",
        "capture.scope",
        "capture.target",
        # Listed for PostgreSQL, not for MongoDB.
        "incremental.snapshot.chunk.size",
        "offset.mismatch.strategy",
        "topic.cache.size",
        "topic.delimiter",
        "topic.heartbeat.prefix",
        "topic.transaction",
    }
)
# Handed on to the MongoDB driver or JDBC, which know their own properties.
PASSED_ON = ("driver.",)
REBALANCE_SECONDS = 60
# What only a person makes of a connector, or a change that has it read its source anew and ends by resuming it.
HELD = {"PAUSED": "paused", "STOPPED": "stopped"}
# How long a restarted task may still be shown as failed, since statuses travel through a topic.
SETTLE_SECONDS = 20
# How much of a long line's beginning and of its end is told.
END_CHARACTERS = 160


class Connectors:
    """Source connectors, each with the whole configuration that is desired for it."""

    def __init__(self, endpoints: Endpoints) -> None:
        # Connect answers a configuration only after it has validated it against the source database.
        self._rest = Rest("Kafka Connect", endpoints.kafka_connect, timeout_seconds=90)
        self._endpoints = endpoints
        self._secrets = endpoints.secrets

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """The configurations, and whether they should run; Connect shows a password as the reference it was given."""
        found = {}
        for resource in desired:
            doing = f"show connector {resource.name!r}"
            response = self._call(doing, "GET", f"/connectors/{_quoted(resource.name)}/config", accept=[404])
            if response.status_code != 404:
                wanted: Mapping[str, str] = resource.properties["config"]
                # Connect adds the name to what it was given, and nothing else.
                config = {
                    key: unmasked(wanted.get(key), value) for key, value in response.json().items() if key != "name"
                }
                properties: dict[str, Json] = {"config": config}
                if "state" in resource.properties:
                    properties["state"] = target_state(self._status(resource.name))
                found[resource.id] = Resource(resource.system, resource.kind, resource.name, properties)
        return found

    def check(self, change: Change) -> None:
        """Have Connect validate the configuration.

        Raises:
            DroplessError: a property is unknown or invalid; the sentence names every such property.
        """
        connector = change.desired
        if not any(each.path.startswith("config/") for each in change.properties):
            return
        config: Mapping[str, str] = connector.properties["config"]
        plugin = config["connector.class"]
        doing = f"validate connector {connector.name!r}"
        path = f"/connector-plugins/{_quoted(plugin)}/config/validate"
        answer = self._call(doing, "PUT", path, json=dict(config) | {"name": connector.name}).json()
        if found := problems(config, answer):
            sentence = f"The configuration of connector {connector.name!r} is wrong: {'; '.join(found)}."
            raise DroplessError(passwords.mask(self._secrets, sentence))

    def apply(self, change: Change) -> None:
        """Validate and put the whole configuration, and have the connector run where that is asked for.

        Connect restarts the tasks that a change concerns. A connector that was deleted and is made again goes
        on where it was, since its offsets stay. One that is paused stays so unless `state` is among the changes.
        """
        self.check(change)
        connector = change.desired
        if starts_over(change):
            remedy = "stop it, or let `dropless apply` do it."
            TopicAdmin(self._endpoints).await_empty(names.union_group(connector.hints["table"]), remedy)
        path = f"/connectors/{_quoted(connector.name)}"
        if any(each.path.startswith("config/") for each in change.properties):
            doing = f"configure connector {connector.name!r}"
            self._call(doing, "PUT", f"{path}/config", json=connector.properties["config"])
        if change.action is Action.UPDATE and any(each.path == "state" for each in change.properties):
            self._call(f"resume connector {connector.name!r}", "PUT", f"{path}/resume")

    def held(self, desired: Sequence[Resource]) -> dict[str, str]:
        """The connectors that somebody paused or stopped, of those that need not run; why, by `Resource.id`."""
        free = [each for each in desired if "state" not in each.properties]
        states = {each.id: target_state(self._status(each.name)) for each in free}
        return {name: f"somebody {HELD[state]} it" for name, state in states.items() if state in HELD}

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until every connector and all of its tasks run, unless it is held; a failed one is restarted once.

        Raises:
            DroplessError: a task failed again, with the first line and the cause of its trace.
        """
        restarted: dict[str, float] = {}

        def missing() -> str | None:
            for resource in desired:
                status = self._status(resource.name)
                if "state" not in resource.properties and target_state(status) in HELD:
                    continue
                if status and (trace := failure(status)):
                    self._restart_once(resource.name, trace, restarted)
                if reason := not_running(resource.name, status):
                    return reason
            return None

        until("Kafka Connect", missing, timeout_seconds)

    def _status(self, name: str) -> dict[str, Any] | None:
        path = f"/connectors/{_quoted(name)}/status"
        response = self._call(f"show the status of connector {name!r}", "GET", path, accept=[404])
        # Until its first status arrives through the status topic, a new connector is not found.
        return None if response.status_code == 404 else response.json()

    def _restart_once(self, name: str, trace: str, restarted: dict[str, float]) -> None:
        if name not in restarted:
            parameters = {"includeTasks": "true", "onlyFailed": "true"}
            path = f"/connectors/{_quoted(name)}/restart"
            self._call(f"restart connector {name!r}", "POST", path, params=parameters)
            restarted[name] = time.monotonic()
        elif time.monotonic() - restarted[name] > SETTLE_SECONDS:
            sentence = f"Connector {name!r} failed: {summary(trace)}"
            raise DroplessError(passwords.mask(self._secrets, sentence))

    def _call(self, doing: str, method: str, path: str, **request: Any) -> httpx.Response:
        accept = {409, 500, *request.pop("accept", ())}
        retrying = Retrying(
            retry=retry_if_exception_type(_Rebalancing),
            stop=stop_after_delay(REBALANCE_SECONDS),
            wait=wait_fixed(0.5),
            reraise=True,
        )

        def once() -> httpx.Response:
            response = self._rest.call(doing, method, path, accept=accept, **request)
            # Of a request that a worker has handed to another one, the refusal comes as a failure of its own.
            expected = response.status_code == 500 and "a rebalance is expected" in response.text
            if response.status_code == 409 or expected:
                raise _Rebalancing(f"Kafka Connect was rebalancing for {REBALANCE_SECONDS} s and could not {doing}.")
            if response.status_code == 500:
                raise DroplessError(f"Kafka Connect refused to {doing}: {message(response)}")
            return response

        try:
            return retrying(once)
        except DroplessError as error:
            raise type(error)(passwords.mask(self._secrets, str(error))) from None


class _Rebalancing(Unreachable):
    """The workers are agreeing on who runs what, and answer nothing else meanwhile."""


def target_state(status: Mapping[str, Any] | None) -> str:
    """What a connector was told to be: PAUSED, STOPPED, or RUNNING, whether it manages to or not."""
    state = str(status["connector"]["state"]) if status else "RUNNING"
    return state if state in HELD else "RUNNING"


def problems(config: Mapping[str, str], answer: Mapping[str, Any]) -> list[str]:
    """Every property that Connect's validation calls invalid, or does not know, with the reason."""
    known = {each["definition"]["name"] for each in answer["configs"] if each.get("definition")}
    found = [
        f"{each['value']['name']}: {' '.join(each['value']['errors']).rstrip('.')}"
        for each in answer["configs"]
        if each.get("value") and each["value"].get("errors")
    ]
    unknown = [
        f"{name}: no such property"
        for name in config
        if name not in known | UNLISTED and not name.startswith(PASSED_ON)
    ]
    return found + unknown


def failure(status: Mapping[str, Any]) -> str | None:
    """The trace of the connector or of its first task that failed."""
    for each in (status["connector"], *status.get("tasks", ())):
        if each["state"] == "FAILED":
            return str(each.get("trace") or "no trace was given")
    return None


def not_running(name: str, status: Mapping[str, Any] | None) -> str | None:
    """What keeps a connector from being called running."""
    if status is None:
        return f"connector {name!r} has no status yet."
    if status["connector"]["state"] != "RUNNING":
        return f"connector {name!r} is {status['connector']['state']}."
    if not status.get("tasks"):
        return f"connector {name!r} has no task yet."
    for task in status["tasks"]:
        if task["state"] != "RUNNING":
            return f"task {task['id']} of connector {name!r} is {task['state']}."
    return None


def summary(trace: str) -> str:
    """A Java trace in a line: what failed, and the last cause."""
    lines = [line.strip() for line in trace.strip().splitlines()] or ["no trace was given"]
    causes = [line for line in lines[1:] if line.startswith("Caused by:")]
    return _middle_out(lines[0]) + (f" ({_middle_out(causes[-1])})" if causes else "")


def _middle_out(line: str) -> str:
    # Debezium prints whole offsets in the middle of a sentence; what is wrong is at its end.
    return line if len(line) <= 2 * END_CHARACTERS else f"{line[:END_CHARACTERS]} ... {line[-END_CHARACTERS:]}"


def _quoted(name: str) -> str:
    return quote(name, safe="")
