"""ksqlDB's REST interface, against a server that was written by its specification."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ksqldb_server import BySpecification, running, table

from dropless.errors import DroplessError, Unreachable
from resources.ksqldb_client import Ksqldb, Refused


@pytest.fixture
def server() -> Iterator[BySpecification]:
    with running() as made:
        yield made


@pytest.fixture
def ksqldb(server: BySpecification) -> Ksqldb:
    return Ksqldb((server.url,))


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
