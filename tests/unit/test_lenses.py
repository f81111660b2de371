"""Lenses' HQ against a server that was written by its specification, and is not Lenses."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from serving import JsonHandler, serving

from dropless.endpoints import LENSES_KEY
from dropless.errors import DroplessError
from resources.lenses import Lenses

KEY = "sa_key_of_a_test"
# The whole of an environment, as the documentation has it.
COUNTED = {
    "kafka": {"version": "4.3.1", "num_brokers": 3, "updated_at": "2026-11-28T10:00:00Z"},
    "data": {"num_topics": 12, "num_partitions": 60, "num_schemas": 9, "num_policies": 0},
    "apps": {"num_consumers": 4, "num_other_apps": 0},
    "connect": {"num_clusters": 1, "num_connectors": 2},
    "other": {"num_issues": 0},
}


class BySpecification:
    """What of HQ is asked: one environment."""

    def __init__(self) -> None:
        self.environments: dict[str, dict[str, Any]] = {}
        specified = self

        class Handler(JsonHandler, BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(*specified.get(self.path, self.headers["Authorization"]))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def get(self, path: str, authorization: str | None) -> tuple[int, object]:
        if authorization != f"Bearer {KEY}":
            return 401, {"type": "unauthorised", "title": "Unauthorised", "status": 401}
        found = self.environments.get(path.removeprefix("/api/v1/environments/"))
        if not found:
            return 404, {"type": "not_found", "title": "Environment not found", "status": 404}
        return 200, found

    def add(self, metrics: dict[str, Any] | None) -> None:
        """An environment with an agent that has counted this; without one where it is None."""
        agent = {
            "updated_at": "2026-11-28T10:00:00Z",
            "roundtrip_duration": 12,
            "agent": {"hostname": "lenses-agent-0", "version": "6.2.1", "capabilities": {"metrics": True}},
            "metrics": metrics,
        }
        self.environments["dropless"] = {
            "name": "dropless",
            "display_name": "dropless",
            "lrn": "lrn:environment:dropless",
            "id": "1",
            "created_at": "2026-11-28T09:00:00Z",
            "tier": "production",
            "status": {"agent_connected": False} if metrics is None else {"agent_connected": True, "agent": agent},
            "metadata": {},
        }


@pytest.fixture
def hq() -> Iterator[BySpecification]:
    specified = BySpecification()
    with serving(specified.server):
        yield specified


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / LENSES_KEY).write_text(f"{KEY}\n")
    return tmp_path


def test_what_the_agent_sees_is_told(hq: BySpecification, secrets: Path):
    hq.add(COUNTED)
    environment = Lenses(hq.url, secrets).environment("dropless")
    assert environment.trouble is None
    assert environment.counts == {"brokers": 3, "topics": 12, "connectors": 2}


@pytest.mark.parametrize(
    ("metrics", "why"),
    [
        (None, "No agent of environment 'dropless' is connected"),
        ({}, "has not told anything about Kafka"),
        (COUNTED | {"kafka": {"version": "", "num_brokers": 0}}, "sees no broker"),
    ],
)
def test_an_agent_that_sees_nothing_is_trouble(
    hq: BySpecification, secrets: Path, metrics: dict[str, Any] | None, why: str
):
    hq.add(metrics)
    trouble = Lenses(hq.url, secrets).environment("dropless").trouble
    assert trouble is not None
    assert why in trouble


def test_who_has_no_key_is_told_where_it_belongs(hq: BySpecification, tmp_path: Path):
    with pytest.raises(DroplessError, match=r"Secret `lenses-licence`, as `serviceAccountKey`"):
        Lenses(hq.url, tmp_path).environment("dropless")


def test_an_environment_that_there_is_not_has_to_be_made(hq: BySpecification, secrets: Path):
    with pytest.raises(DroplessError, match=r"has no environment 'other': make it in HQ"):
        Lenses(hq.url, secrets).environment("other")


def test_a_refusal_is_hqs_own_word_and_never_the_key(hq: BySpecification, secrets: Path):
    (secrets / LENSES_KEY).write_text("another")
    with pytest.raises(DroplessError, match=r"refused to tell of environment 'dropless': Unauthorised") as refused:
        Lenses(hq.url, secrets).environment("dropless")
    assert "another" not in str(refused.value)


def test_an_answer_that_is_not_documented_is_told_and_not_guessed_at(hq: BySpecification, secrets: Path):
    hq.environments["dropless"] = {"name": "dropless", "status": {"agent_connected": "perhaps"}}
    with pytest.raises(DroplessError, match=r"not documented: status\.agent_connected"):
        Lenses(hq.url, secrets).environment("dropless")
