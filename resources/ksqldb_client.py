"""ksqlDB's REST interface: statements, what they made, and how its queries are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

from dropless.errors import DroplessError
from resources.rest import Rest, message
from resources.waiting import patiently, until

MEDIA_TYPE: Final = "application/vnd.ksql.v1+json"
# Long enough for a statement of a hundred kilobytes on a busy server, which compiles it before it answers.
TIMEOUT_SECONDS: Final = 90.0
COMMAND_SECONDS: Final = 120.0
# While a server has not come as far as the last statement that another one took.
BEHIND_SECONDS: Final = 60.0
STATEMENT_REFUSED: Final = 40001
UNFINISHED: Final = frozenset({"QUEUED", "PARSING", "EXECUTING", "RUNNING"})


@dataclass(frozen=True)
class Listed:
    """A stream as it is listed."""

    name: str
    topic: str
    key_format: str
    value_format: str


class Refused(DroplessError):
    """ksqlDB did not take a statement; `code` is its own number for why."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


class Ksqldb:
    """A ksqlDB cluster, asked at the first of its addresses that answers."""

    def __init__(self, urls: tuple[str, ...], timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Ask these servers; with a short time-out, one that is behind another is not waited for any longer."""
        self._rest = Rest("ksqlDB", urls, timeout_seconds)
        self._behind_seconds = min(BEHIND_SECONDS, timeout_seconds)
        self._sequence = -1

    def service_id(self) -> str:
        """The name under which the servers form a cluster; a part of every consumer group.

        Raises:
            Unreachable: it does not answer, or is starting.
        """
        answer = self._rest.call("tell its service id", "GET", "/info").json()
        return str(answer["KsqlServerInfo"]["ksqlServiceId"])

    def healthy(self) -> bool:
        """Whether a server calls itself healthy.

        Raises:
            Unreachable: it does not answer, or is starting.
        """
        return bool(self._rest.call("tell its health", "GET", "/healthcheck").json()["isHealthy"])

    def streams(self) -> dict[str, Listed]:
        """The streams by name."""
        listed = self._asked("list its streams", "SHOW STREAMS;")["streams"]
        return {
            each["name"]: Listed(each["name"], each["topic"], each["keyFormat"], each["valueFormat"]) for each in listed
        }

    def queries(self) -> dict[str, str]:
        """The state of each query by its id: RUNNING, PAUSED, ERROR, or another word of ksqlDB's."""
        return {each["id"]: _state(each) for each in self._asked("list its queries", "SHOW QUERIES;")["queries"]}

    def errors(self, query_id: str) -> list[str]:
        """What went wrong in a query, the newest last."""
        described = self._asked("describe its queries", "SHOW QUERIES EXTENDED;")["queryDescriptions"]
        return [
            str(error.get("errorMessage") or error.get("message") or error)
            for each in described
            if each["id"] == query_id
            for error in each.get("queryErrors") or ()
        ]

    def execute(self, doing: str, statement: str, properties: Mapping[str, str] | None = None) -> None:
        """Have one statement carried out, and wait until it is.

        Raises:
            Refused: ksqlDB does not take it.
            DroplessError: it took it and could not carry it out.
            NotReady: it is still at it.
        """
        for entity in self._post(doing, statement, properties or {}):
            if entity.get("@type") == "currentStatus":
                self._sequence = max(self._sequence, int(entity.get("commandSequenceNumber", -1)))
                self._settle(doing, entity["commandId"], entity["commandStatus"])

    def pause(self, query_id: str) -> None:
        """Have a query stop where it is; doing it twice is doing it once."""
        self.execute(f"pause query {query_id}", f"PAUSE {query_id};")

    def resume(self, query_id: str) -> None:
        """Have a query go on."""
        self.execute(f"resume query {query_id}", f"RESUME {query_id};")

    def terminate(self, query_id: str) -> None:
        """End a query; ksqlDB deletes its consumer group some seconds later."""
        self.execute(f"terminate query {query_id}", f"TERMINATE {query_id};")

    def drop_stream(self, name: str) -> bool:
        """Drop a stream and leave its topic; False while a query uses it."""
        try:
            self.execute(f"drop stream {name}", f"DROP STREAM IF EXISTS `{name.replace('`', '``')}`;")
        except Refused as refusal:
            if refusal.code != STATEMENT_REFUSED:
                raise
            return False
        return True

    def _asked(self, doing: str, statement: str) -> dict[str, Any]:
        entities = patiently(lambda: self._post(doing, statement, {}), self._behind_seconds)
        return entities[0]

    def _post(self, doing: str, statement: str, properties: Mapping[str, str]) -> list[dict[str, Any]]:
        body: dict[str, Any] = {"ksql": statement, "streamsProperties": dict(properties)}
        if self._sequence >= 0:
            # Whichever server answers, it has come as far as what was done before.
            body["commandSequenceNumber"] = self._sequence
        headers = {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE}
        response = self._rest.call(doing, "POST", "/ksql", json=body, headers=headers, accept=[400])
        if response.status_code == 400:
            raise Refused(f"ksqlDB refused to {doing}: {message(response)}", _error_code(response))
        answer: list[dict[str, Any]] = response.json()
        return answer

    def _settle(self, doing: str, command: str, status: Mapping[str, Any]) -> None:
        seen = [status]

        def unfinished() -> str | None:
            if seen[-1]["status"] in UNFINISHED:
                path = f"/status/{quote(command, safe='/')}"
                seen.append(self._rest.call(f"tell how far {command} is", "GET", path).json())
            return f"{command} is {seen[-1]['status']}." if seen[-1]["status"] in UNFINISHED else None

        until("ksqlDB", unfinished, COMMAND_SECONDS)
        if seen[-1]["status"] == "ERROR":
            raise DroplessError(f"ksqlDB could not {doing}: {seen[-1].get('message') or 'no reason given'}")


def _state(query: Mapping[str, Any]) -> str:
    # A paused query is called RUNNING; only the counts by server tell.
    counts = query.get("statusCount") or {}
    return next((state for state in ("ERROR", "PAUSED") if counts.get(state)), str(query["state"]))


def _error_code(response: httpx.Response) -> int:
    try:
        return int(response.json().get("error_code", 0))
    except (ValueError, AttributeError):
        return 0
