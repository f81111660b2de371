"""Kafka Connect's refusals while its workers agree on who runs what; the answers are those that the real one gave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from contracts import endpoints
from tenacity import wait_none

from dropless.errors import DroplessError
from dropless.plan import Resource
from resources import kafka_connect
from resources.kafka_connect import Connectors

WANTED = Resource("kafka_connect", "connector", "orders.store", {"config": {"tasks.max": "1"}})


def answering(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, Any]) -> Connectors:
    left: Iterator[tuple[int, Any]] = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/status"):
            return httpx.Response(200, json={"connector": {"state": "RUNNING"}, "tasks": []})
        code, body = next(left)
        return httpx.Response(code, json=body)

    made = Connectors(endpoints())
    monkeypatch.setitem(made._rest.__dict__, "_client", httpx.Client(transport=httpx.MockTransport(answer)))
    monkeypatch.setattr(kafka_connect, "wait_fixed", lambda _seconds: wait_none())
    return made


REFUSED = {"error_code": 500, "message": "Request cannot be completed because a rebalance is expected"}
CONFLICT = {"error_code": 409, "message": "Cannot complete request because of a conflicting operation"}


def test_it_is_asked_again_until_the_rebalance_is_over(monkeypatch: pytest.MonkeyPatch):
    connectors = answering(monkeypatch, (500, REFUSED), (409, CONFLICT), (200, {"tasks.max": "1"}))
    assert connectors.observe([WANTED])[WANTED.id].properties["config"] == {"tasks.max": "1"}


def test_any_other_failure_is_told_at_once(monkeypatch: pytest.MonkeyPatch):
    connectors = answering(monkeypatch, (500, {"error_code": 500, "message": "Failed to read the offsets"}))
    with pytest.raises(DroplessError, match=r"refused to show connector 'orders\.store': Failed to read the offsets"):
        connectors.observe([WANTED])
