"""What Pinot's broker answers: whole, not in full yet, or a refusal. The answers are those of 0.11 as it starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from contracts import endpoints
from serving import serving

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Recovering
from dropless.pinot import select, select_as

WHOLE = {
    "resultTable": {"dataSchema": {"columnNames": ["n"], "columnDataTypes": ["LONG"]}, "rows": [[7]]},
    "exceptions": [],
    "numServersQueried": 1,
    "numServersResponded": 1,
}


class Broker:
    """Answers each query with the same."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = WHOLE
        self.login: str | None = None
        broker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                broker.login = self.headers["Authorization"]
                text = json.dumps(broker.answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def endpoints(self) -> Endpoints:
        return replace(endpoints(), pinot_broker=f"http://127.0.0.1:{self.server.server_port}")


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    with serving(made.server):
        yield made


def failing(code: int, message: str) -> dict[str, Any]:
    return {"exceptions": [{"errorCode": code, "message": message}], "numServersQueried": 0, "numServersResponded": 0}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (305, "SegmentsMissingError"),
        (410, "BrokerResourceMissingError"),
        (425, "BrokerRequestSendError"),
        (427, "ServerNotRespondingError"),
        (200, "null:\njava.lang.NullPointerException"),
    ],
)
def test_a_server_that_starts_is_asked_again(broker: Broker, code: int, message: str) -> None:
    broker.answer = failing(code, message)
    for ask in (
        lambda: select(broker.endpoints, "select 1"),
        lambda: select_as(broker.endpoints, "select 1", tuple[int]),
    ):
        with pytest.raises(Recovering):
            ask()


def test_a_query_that_is_refused_is_not(broker: Broker) -> None:
    broker.answer = failing(190, "TableDoesNotExistError")
    with pytest.raises(DroplessError, match="refused the query: TableDoesNotExistError") as caught:
        select(broker.endpoints, "select 1")
    assert not isinstance(caught.value, Recovering)


def test_an_answer_of_a_part_of_the_servers_is_none(broker: Broker) -> None:
    broker.answer = WHOLE | {"numServersQueried": 2}
    with pytest.raises(Recovering):
        select(broker.endpoints, "select 1")


def test_whoever_asks_says_who_they_are_where_pinot_wants_it(broker: Broker, tmp_path: Any) -> None:
    (tmp_path / "pinot_pipeline").write_text("kept\n")
    assert select(broker.endpoints, "select 1").value() == 7
    assert broker.login is None
    assert select(replace(broker.endpoints, pinot_user="pipeline", secrets=tmp_path), "select 1").value() == 7
    assert broker.login == "Basic cGlwZWxpbmU6a2VwdA=="
