"""A server that was written by the specification of ksqlDB's REST interface, and is not ksqlDB; and what is told it.

`BySpecification` answers as ksqlDB's public API documentation says and as was measured of 8.3.1. `Kept` stands for the
consumer groups, which a real Kafka keeps; its queries advance as a test has them advance.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from contracts import SENSORS, contract
from serving import JsonHandler

from dropless import names
from dropless.errors import DroplessError, NotReady
from dropless.ksqldb import desired, naming
from dropless.lag import Position
from dropless.plan import Plan, Resource, plan
from resources.ksqldb import KsqldbMappings, KsqldbStreams
from resources.ksqldb_client import Ksqldb
from resources.ksqldb_offsets import Offsets

HERE: Position = (names.raw_topic("readings", "plant"), 0)


class BySpecification:
    """The part of the REST interface that is used, over HTTP."""

    def __init__(self) -> None:
        self.streams: dict[str, dict[str, str]] = {}
        self.queries: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.statuses: dict[str, list[dict[str, str]]] = {}
        self.starting = False
        self.sequence = -1
        self.die_at: str | None = None
        specified = self

        class Handler(JsonHandler, BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*specified.get(self.path))

            def do_POST(self) -> None:
                assert self.path == "/ksql"
                assert self.headers["Content-Type"] == "application/vnd.ksql.v1+json"
                self._answer(*specified.post(self.body()))

            def _answer(self, status: int, body: object) -> None:
                self.answer(status, body, "application/vnd.ksql.v1+json")

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def get(self, path: str) -> tuple[int, object]:
        if self.starting:
            return 503, {
                "@type": "generic_error",
                "error_code": 50300,
                "message": "KSQL is not yet ready to serve requests.",
            }
        match path:
            case "/info":
                return 200, {
                    "KsqlServerInfo": {"version": "8.3.1", "kafkaClusterId": "c", "ksqlServiceId": "dropless_"}
                }
            case "/healthcheck":
                return 200, {"isHealthy": True, "details": {}}
            case _ if path.startswith("/status/"):
                command = path.removeprefix("/status/").replace("%60", "`")
                answers = self.statuses[command]
                return 200, answers.pop(0) if len(answers) > 1 else answers[0]
        return 404, {"error_code": 40400, "message": "HTTP 404 Not Found"}

    def post(self, body: dict[str, Any]) -> tuple[int, object]:
        self.requests.append(body)
        statement = body["ksql"]
        if self.starting:
            return self.get("/info")
        if self.die_at and statement.startswith(self.die_at):
            return 503, {"@type": "generic_error", "error_code": 50300, "message": "killed"}
        if body.get("commandSequenceNumber", -1) > self.sequence:
            return 503, {"@type": "generic_error", "error_code": 50301, "message": "Timed out while waiting"}
        if not statement.endswith(";"):
            return self._error(statement, "Syntax error")
        if statement == "SHOW STREAMS;":
            listed = [{"type": "STREAM", "name": name, **each} for name, each in self.streams.items()]
            return 200, [{"@type": "streams", "statementText": statement, "streams": listed, "warnings": []}]
        if statement == "SHOW QUERIES;":
            return 200, [
                {
                    "@type": "queries",
                    "statementText": statement,
                    "queries": [self._listed(each) for each in self.queries],
                }
            ]
        if statement == "SHOW QUERIES EXTENDED;":
            told = [{"id": name, "queryErrors": each["errors"]} for name, each in self.queries.items()]
            return 200, [{"@type": "queryDescriptions", "statementText": statement, "queryDescriptions": told}]
        return self._command(statement, body["streamsProperties"])

    def _listed(self, name: str) -> dict[str, Any]:
        state = self.queries[name]["state"]
        # A paused query is RUNNING but for its counts.
        return {
            "id": name,
            "state": "RUNNING" if state == "PAUSED" else state,
            "statusCount": {state: 1},
            "queryType": "PERSISTENT",
        }

    def _command(self, statement: str, properties: dict[str, str]) -> tuple[int, object]:  # noqa: C901 - a switch
        if match := re.match(
            r"CREATE STREAM IF NOT EXISTS `([^`]+)` .*KAFKA_TOPIC = '([^']+)'.*VALUE_FORMAT = '(\w+)'",
            statement,
            re.DOTALL,
        ):
            name, topic, form = match.groups()
            if name in self.streams:
                return 200, [{"@type": "warning_entity", "statementText": statement, "message": "already exists"}]
            self.streams[name] = {"topic": topic, "keyFormat": "KAFKA", "valueFormat": form}
            return self._done(statement, f"stream/`{name}`/create")
        if match := re.match(
            r"INSERT INTO `([^`]+)` WITH \(QUERY_ID = '([A-Z0-9_]+)'\)\nSELECT.*FROM `([^`]+)`", statement, re.DOTALL
        ):
            to, name, read = match.groups()
            if name in self.queries:
                return self._error(statement, f"Query ID '{name}' already exists.")
            if to not in self.streams or read not in self.streams:
                return self._error(statement, f"{to} or {read} does not exist.")
            self.queries[name] = {"state": "RUNNING", "uses": {to, read}, "properties": properties, "errors": []}
            return self._done(statement, f"query/{name}/create")
        if match := re.fullmatch(r"(PAUSE|RESUME|TERMINATE) ([A-Z0-9_]+);", statement):
            verb, name = match.groups()
            if name not in self.queries:
                return self._error(statement, f"Unknown queryId: {name}")
            if verb == "TERMINATE":
                del self.queries[name]
            else:
                self.queries[name]["state"] = "PAUSED" if verb == "PAUSE" else "RUNNING"
            return self._done(statement, f"query/{name}/{verb.lower()}")
        if match := re.fullmatch(r"DROP STREAM IF EXISTS `([^`]+)`;", statement):
            if any(match[1] in each["uses"] for each in self.queries.values()):
                return self._error(statement, f"Cannot drop {match[1]}: queries use it.")
            self.streams.pop(match[1], None)
            return self._done(statement, f"stream/`{match[1]}`/drop")
        return self._error(statement, "Syntax error")

    def _done(self, statement: str, command: str) -> tuple[int, object]:
        self.sequence += 1
        status = self.statuses.get(command, [{"status": "SUCCESS", "message": "done"}])[0]
        told = {"statementText": statement, "commandId": command, "commandStatus": status}
        return 200, [{"@type": "currentStatus", **told, "commandSequenceNumber": self.sequence, "warnings": []}]

    def _error(self, statement: str, message: str) -> tuple[int, object]:
        return 400, {
            "@type": "statement_error",
            "error_code": 40001,
            "message": message,
            "statementText": statement,
            "entities": [],
        }

    def sent(self, *verbs: str) -> list[str]:
        return [each["ksql"] for each in self.requests if each["ksql"].startswith(verbs)]


class Kept:
    """Consumer groups in memory: a stand-in for Kafka, for the order of what is done with them."""

    def __init__(self, server: BySpecification) -> None:
        self._server = server
        self.offsets: dict[str, dict[Position, int]] = {}
        self.noted: dict[str, dict[Position, str]] = {}
        self.begun: list[tuple[str, dict[Position, int]]] = []
        self.busy: set[str] = set()
        self.refuses = ""

    def reset(self) -> None:
        """Nothing was ever made, neither of groups nor at the server."""
        for each in (self._server.streams, self._server.queries, self.offsets, self.noted):
            each.clear()

    def committed(self, groups: Sequence[str]) -> dict[str, dict[Position, int]]:
        return {group: dict(self.offsets.get(group, {})) for group in groups}

    def notes(self, group: str) -> dict[Position, str]:
        return {place: note for place, note in self.noted.get(group, {}).items() if note}

    def begin_at(self, group: str, offsets: Offsets, note: str = "") -> None:
        assert not any(naming.group("dropless_", query) == group for query in self._server.queries)
        if group == self.refuses:
            raise DroplessError(f"Kafka refused to have group {group!r} begin elsewhere: it has members.")
        self.offsets.setdefault(group, {}).update(offsets)
        self.noted.setdefault(group, {}).update(dict.fromkeys(offsets, note))
        self.begun.append((group, dict(offsets)))

    def await_empty(self, group: str, remedy: str) -> None:
        if group in self.busy:
            raise NotReady(f"Kafka was not ready: 2 consumers are in group {group!r}: {remedy}")

    def of(self, query: str) -> dict[Position, int]:
        return self.offsets[naming.group("dropless_", query)]

    def reached(self, offset: int, *roles: str) -> None:
        """The running queries of these roles, or all, have come so far."""
        for query, told in self._server.queries.items():
            if told["state"] == "RUNNING" and (not roles or query.startswith(tuple(role.upper() for role in roles))):
                self.offsets.setdefault(naming.group("dropless_", query), {})[HERE] = offset


@contextmanager
def running() -> Iterator[BySpecification]:
    made = BySpecification()
    threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()


def table(column: str = "celsius") -> list[Resource]:
    """The streams and the mapping of a table that takes a column."""
    attributes = json.loads(json.dumps(SENSORS))
    attributes["sources"][0]["columns"]["value"] = column
    made = contract(attributes)
    return desired.resources(made)


def planned(ksqldb: Ksqldb, kept: Kept, wanted: list[Resource]) -> Plan:
    streams = [each for each in wanted if each.kind == desired.STREAM]
    mappings = [each for each in wanted if each.kind == desired.MAPPING]
    found = KsqldbStreams(ksqldb).observe(streams) | KsqldbMappings(ksqldb, kept).observe(mappings)
    return plan(wanted, found)


def apply(ksqldb: Ksqldb, kept: Kept, wanted: list[Resource], told: list[str] | None = None, pause: Any = None) -> None:
    adapters = {
        desired.STREAM: KsqldbStreams(ksqldb),
        desired.MAPPING: KsqldbMappings(ksqldb, kept, pause or (lambda _: None)),
    }
    for change in planned(ksqldb, kept, wanted).changes:
        adapter = adapters[change.desired.kind]
        adapter.check(change)
        if isinstance(adapter, KsqldbMappings):
            adapter.advance(change, (told if told is not None else []).append)
        else:
            adapter.apply(change)
    for kind, adapter in adapters.items():
        adapter.wait_ready([each for each in wanted if each.kind == kind], 1)


def ids(wanted: list[Resource]) -> dict[str, str]:
    mapping = wanted[-1]
    return {role: naming.query(role, "readings", "plant", mapping.properties["version"]) for role in naming.ROLES}
