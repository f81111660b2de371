"""ksqlDB's REST interface against a server that was written by its specification, and is not ksqlDB.

`BySpecification` answers as ksqlDB's public API documentation says and as was measured of 8.3.1. `Kept` stands for the
consumer groups, which a real Kafka keeps; its queries advance as a test has them advance.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from contracts import SENSORS, contract
from serving import JsonHandler

from dropless import durability, names
from dropless.errors import DroplessError, NotReady, Unreachable, Unsafe
from dropless.ksqldb import desired, naming
from dropless.lag import Position
from dropless.plan import Plan, Resource, plan
from resources.ksqldb import KsqldbMappings, KsqldbStreams
from resources.ksqldb_client import Ksqldb, Refused
from resources.ksqldb_offsets import Offsets
from resources.ksqldb_progress import QueryProgress

RAW = names.raw_topic("readings", "plant")
HERE: Position = (RAW, 0)


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
        self.begun: list[tuple[str, dict[Position, int]]] = []
        self.busy: set[str] = set()

    def committed(self, groups: Sequence[str]) -> dict[str, dict[Position, int]]:
        return {group: dict(self.offsets.get(group, {})) for group in groups}

    def begin_at(self, group: str, offsets: Offsets) -> None:
        assert not any(naming.group("dropless_", query) == group for query in self._server.queries)
        self.offsets[group] = dict(offsets)
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


@pytest.fixture
def server() -> Iterator[BySpecification]:
    made = BySpecification()
    threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def ksqldb(server: BySpecification) -> Ksqldb:
    return Ksqldb((server.url,))


@pytest.fixture
def kept(server: BySpecification) -> Kept:
    return Kept(server)


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


def test_an_empty_ksqldb_gets_streams_and_queries_and_then_nothing_is_left_to_do(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    wanted = table()
    assert [change.action.value for change in planned(ksqldb, kept, wanted).changes] == ["create"] * 5
    apply(ksqldb, kept, wanted)
    assert planned(ksqldb, kept, wanted).empty
    assert set(server.queries) == set(ids(wanted).values())
    assert {each["topic"] for each in server.streams.values()} == {RAW, "unified.readings", "dead.readings"}
    # The beginning is written down, so that a query that is ended is told from one that never ran.
    assert kept.begun == [(naming.group("dropless_", query), {HERE: 0}) for query in ids(wanted).values()]
    before = len(server.requests)
    apply(ksqldb, kept, wanted)
    assert all(each["ksql"].startswith("SHOW") for each in server.requests[before:])


def test_queries_run_with_the_durability_tables_settings(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    apply(ksqldb, kept, table())
    for query in server.queries.values():
        assert query["properties"] == {
            "ksql.streams.processing.guarantee": durability.layer("streams")["processing.guarantee"],
            "ksql.streams.auto.offset.reset": "earliest",
        }


def test_a_changed_mapping_is_replaced_at_one_place(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    old, new = table(), table("fahrenheit")
    apply(ksqldb, kept, old)
    kept.reached(42)
    (change,) = planned(ksqldb, kept, new).changes
    assert {each.path: (each.before, each.after) for each in change.properties} == {
        "version": (old[-1].properties["version"], new[-1].properties["version"])
    }
    server.requests.clear()
    apply(ksqldb, kept, new)
    assert planned(ksqldb, kept, new).empty
    assert set(server.queries) == set(ids(new).values())
    assert [kept.of(query) for query in ids(new).values()] == [{HERE: 42}] * 3
    done = [each.split()[0] for each in server.sent("PAUSE", "TERMINATE", "INSERT", "RESUME")]
    assert done == ["PAUSE"] * 3 + ["TERMINATE"] * 3 + ["INSERT"] * 3


def test_queries_that_do_not_meet_at_once_are_paused_again(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    old, new = table(), table("fahrenheit")
    apply(ksqldb, kept, old)
    kept.reached(42)
    kept.reached(40, "dead")
    # Once they run again, all come as far.
    told: list[str] = []
    apply(ksqldb, kept, new, told, pause=lambda _: kept.reached(45))
    assert [kept.of(query) for query in ids(new).values()] == [{HERE: 45}] * 3
    assert any("attempt 2" in each for each in told)
    assert not any("again" in each for each in told)


def test_queries_that_never_meet_go_on_where_the_last_one_is_so_that_nothing_is_lost(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    old, new = table(), table("fahrenheit")
    apply(ksqldb, kept, old)
    kept.reached(42)
    kept.reached(40, "dead")
    told: list[str] = []
    apply(ksqldb, kept, new, told)
    assert [kept.of(query) for query in ids(new).values()] == [{HERE: 40}] * 3
    assert any("up to 2 records are written again" in each for each in told)


def test_a_replacement_that_is_interrupted_anywhere_goes_on_without_losing_its_place(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    old, new = table(), table("fahrenheit")
    for verb in ("PAUSE", "TERMINATE", "INSERT"):
        for query in ("ROWS", "DEAD", "BROKEN"):
            server.streams.clear()
            server.queries.clear()
            kept.offsets.clear()
            apply(ksqldb, kept, old)
            kept.reached(42)
            stems = {"PAUSE": f"PAUSE {query}", "TERMINATE": f"TERMINATE {query}"}
            to = new[0].name if query == "ROWS" else new[1].name
            server.die_at = stems.get(verb, f"INSERT INTO `{to}` WITH (QUERY_ID = '{query}")
            with pytest.raises(Unreachable):
                apply(ksqldb, kept, new)
            server.die_at = None
            # ksqlDB has deleted the groups of what was ended meanwhile.
            for name in ids(old).values():
                if name not in server.queries:
                    kept.offsets.pop(naming.group("dropless_", name), None)
            apply(ksqldb, kept, new)
            assert set(server.queries) == set(ids(new).values()), (verb, query)
            assert [kept.of(name) for name in ids(new).values()] == [{HERE: 42}] * 3, (verb, query)


def test_a_replacement_that_is_replaced_before_it_ended_keeps_its_place(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    first, second, third = table(), table("fahrenheit"), table("kelvin")
    apply(ksqldb, kept, first)
    kept.reached(42)
    server.die_at = f"INSERT INTO `{second[1].name}` WITH (QUERY_ID = 'DEAD"
    with pytest.raises(Unreachable):
        apply(ksqldb, kept, second)
    server.die_at = None
    for name in ids(first).values():
        del kept.offsets[naming.group("dropless_", name)]
    apply(ksqldb, kept, third)
    assert [kept.of(name) for name in ids(third).values()] == [{HERE: 42}] * 3


def test_a_mapping_that_comes_back_waits_until_its_former_groups_are_gone(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    first, second = table(), table("fahrenheit")
    apply(ksqldb, kept, first)
    kept.reached(42)
    apply(ksqldb, kept, second)
    kept.reached(50)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            for name in ids(first).values():
                del kept.offsets[naming.group("dropless_", name)]

    apply(ksqldb, kept, first, pause=wait)
    assert len(waits) >= 5
    assert [kept.of(name) for name in ids(first).values()] == [{HERE: 50}] * 3


def test_a_query_that_somebody_ended_is_not_begun_anew_by_itself(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    wanted = table()
    apply(ksqldb, kept, wanted)
    kept.reached(42)
    lost = ids(wanted)["dead"]
    ksqldb.terminate(lost)
    del kept.offsets[naming.group("dropless_", lost)]
    (change,) = planned(ksqldb, kept, wanted).changes
    mappings = KsqldbMappings(ksqldb, kept, lambda _: None)
    with pytest.raises(Unsafe, match="from the beginning"):
        mappings.check(change)
    with pytest.raises(Unsafe):
        mappings.apply(change)
    assert lost not in server.queries
    mappings.replace(change, lambda _: None)
    assert planned(ksqldb, kept, wanted).empty


def test_a_paused_query_is_drift_and_is_resumed(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    wanted = table()
    apply(ksqldb, kept, wanted)
    ksqldb.pause(ids(wanted)["rows"])
    (change,) = planned(ksqldb, kept, wanted).changes
    assert [(each.path, each.before, each.after) for each in change.properties] == [
        ("queries/rows", "PAUSED", "RUNNING")
    ]
    apply(ksqldb, kept, wanted)
    assert server.sent("RESUME") == [f"RESUME {ids(wanted)['rows']};"]


def test_a_failed_query_is_told_with_its_error(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    wanted = table()
    apply(ksqldb, kept, wanted)
    failed = server.queries[ids(wanted)["rows"]]
    failed |= {"state": "ERROR", "errors": [{"errorMessage": "Topic is gone\n\tat java", "type": "USER"}]}
    with pytest.raises(DroplessError, match=r"failed: Topic is gone$"):
        KsqldbMappings(ksqldb, kept).wait_ready(wanted[-1:], 1)


def test_ksqldb_goes_on_where_the_worker_ended_and_not_beside_it(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    workers = names.union_group("readings")
    kept.offsets[workers] = {HERE: 17, ("raw.other.plant", 0): 5}
    kept.busy.add(workers)
    with pytest.raises(NotReady, match="stop the union's workers"):
        apply(ksqldb, kept, table())
    assert not server.queries
    kept.busy.clear()
    apply(ksqldb, kept, table())
    assert [kept.of(name) for name in ids(table()).values()] == [{HERE: 17}] * 3


def test_the_slowest_of_the_three_queries_tells_how_far_the_union_is(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    wanted = table()
    apply(ksqldb, kept, wanted)
    progress = QueryProgress(ksqldb, kept.committed)
    sources = {HERE[0]: "plant"}
    kept.reached(50)
    kept.reached(42, "dead")
    assert progress.read("readings", sources)[HERE] == 42
    # One that nobody runs has read nothing: what it leaves unread is the whole topic.
    ksqldb.terminate(ids(wanted)["broken"])
    assert HERE not in progress.read("readings", sources)


def test_while_one_query_replaces_another_the_further_one_tells(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    apply(ksqldb, kept, table())
    kept.reached(50)
    server.queries |= {query.replace(query[-12:], "0" * 12): told for query, told in server.queries.items()}
    kept.reached(70)
    for query in server.queries:
        if query.endswith("0" * 12):
            kept.of(query)[HERE] = 60
    assert QueryProgress(ksqldb, kept.committed).read("readings", {HERE[0]: "plant"})[HERE] == 70


def test_a_changed_unified_row_is_another_stream_and_the_old_one_goes_when_nobody_uses_it(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    old = table()
    attributes = json.loads(json.dumps(SENSORS))
    attributes["columns"].insert(0, {"name": "unit", "type": "string"})
    made = contract(attributes)
    new = desired.resources(made)
    apply(ksqldb, kept, old)
    server.streams["somebodys"] = {"topic": "x", "keyFormat": "KAFKA", "valueFormat": "JSON"}
    apply(ksqldb, kept, new)
    assert set(server.streams) == {each.name for each in new[:-1]} | {"somebodys"}


def test_a_stream_of_somebody_else_is_left_alone(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    wanted = table()
    server.streams[wanted[0].name] = {"topic": "other", "keyFormat": "KAFKA", "valueFormat": "JSON"}
    with pytest.raises(DroplessError, match="which is not ours"):
        apply(ksqldb, kept, wanted)


def test_a_statement_that_takes_its_time_is_waited_for(server: BySpecification, ksqldb: Ksqldb) -> None:
    command = f"stream/`{table()[0].name}`/create"
    server.statuses[command] = [
        {"status": "QUEUED", "message": ""},
        {"status": "EXECUTING", "message": ""},
        {"status": "SUCCESS", "message": ""},
    ]
    ksqldb.execute("make it", table()[0].hints["statement"])
    server.statuses[command] = [{"status": "ERROR", "message": "No such topic"}]
    server.streams.clear()
    with pytest.raises(DroplessError, match="could not make it: No such topic"):
        ksqldb.execute("make it", table()[0].hints["statement"])


def test_what_is_asked_next_waits_for_what_was_done(server: BySpecification, ksqldb: Ksqldb) -> None:
    ksqldb.execute("make it", table()[0].hints["statement"])
    ksqldb.streams()
    assert server.requests[-1]["commandSequenceNumber"] == 0


def test_a_refusal_is_told_in_ksqldbs_words(server: BySpecification, ksqldb: Ksqldb) -> None:
    with pytest.raises(
        Refused, match=r"refused to terminate query NONE: Unknown queryId: NONE \(HTTP 400\)"
    ) as refused:
        ksqldb.terminate("NONE")
    assert refused.value.code == 40001
    server.streams["used"] = {"topic": "x", "keyFormat": "KAFKA", "valueFormat": "JSON"}
    server.queries["Q"] = {"state": "RUNNING", "uses": {"used"}, "properties": {}, "errors": []}
    assert not ksqldb.drop_stream("used")
    ksqldb.terminate("Q")
    assert ksqldb.drop_stream("used")


def test_a_server_that_starts_is_not_ready(server: BySpecification, ksqldb: Ksqldb) -> None:
    assert ksqldb.service_id() == "dropless_"
    assert ksqldb.healthy()
    server.starting = True
    with pytest.raises(Unreachable, match="not ready"):
        ksqldb.service_id()
    with pytest.raises(Unreachable):
        ksqldb.pause("Q")
