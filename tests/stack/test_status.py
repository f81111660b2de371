"""What `dropless status` and the commands around the example tell of a running stack."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from dropless.endpoints import Endpoints
from dropless.example import SOURCES, load, truth
from dropless.example.measure import measure_freshness
from dropless.settings import Settings
from resources.waiting import until

DROPLESS = [sys.executable, "-c", "from dropless.cli import main; main()"]


def dropless(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DROPLESS, *arguments], capture_output=True, text=True, check=False, timeout=120)


def status() -> dict[str, Any]:
    return json.loads(dropless("status", "--json", "--clients").stdout)


def test_status_tells_rows_freshness_lag_memory_and_clients(settings: Settings, endpoints: Endpoints):
    def missing() -> str | None:
        found = status()
        if not found["healthy"]:
            return "; ".join(found["problems"])
        expected = Counter(key.split(":", 1)[0] for key in truth.read(endpoints))
        return None if found["rows"]["orders"]["pinot"] == expected else f"rows are {found['rows']}, not {expected}"

    until("the stack", missing, 60)
    found = status()
    # Idle or not: the connectors' heartbeats come every five seconds.
    assert 0 <= found["freshness_seconds"]["orders"] < 30
    assert found["lag"]["orders"] == {"union": 0, "pinot": 0, "lake": 0}
    assert found["rows"]["orders"]["lake_changes"] >= sum(found["rows"]["orders"]["pinot"].values())
    assert 2**30 < found["resident_bytes"] < 5 * 2**30
    assert found["clients"]["union-orders-0"]["producer"]["acks"] == "all"
    assert found["clients"]["lake-orders"]["consumer"]["isolation.level"] == "read_committed"
    assert "password" not in json.dumps(found).lower()


def test_a_change_is_visible_within_seconds(settings: Settings, endpoints: Endpoints):
    assert measure_freshness(endpoints) < 10


def test_loading_the_example_again_changes_nothing(settings: Settings, endpoints: Endpoints):
    before = truth.read(endpoints)
    load(settings, endpoints)
    assert truth.read(endpoints) == before


def test_traffic_tells_what_it_did(settings: Settings):
    told = json.loads(dropless("traffic", "--rate", "100", "--seconds", "2", "--seed", "5", "--json").stdout)
    assert told["changes"] == 201
    assert {source: sum(kinds.values()) for source, kinds in told["sources"].items()} == dict.fromkeys(SOURCES, 67)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("traffic", "--sources", "nix"), "There is no source 'nix'"),
        (("source", "nix", "--run", "select 1"), "There is no source 'nix'"),
        (("source", "store", "--run", "select nothing"), 'column "nothing" does not exist'),
        (("source", "marketplace", "--run", "{"), "The command is not a JSON document"),
        (("source", "marketplace"), "Say what to run"),
    ],
)
def test_a_mistake_is_one_sentence(settings: Settings, arguments: tuple[str, ...], sentence: str):
    told = dropless(*arguments)
    assert told.returncode == 1
    assert sentence in told.stderr
    assert "Traceback" not in told.stderr


def test_a_statement_by_hand_answers_in_json(settings: Settings):
    told = dropless("source", "store", "--run", "select count(*) as orders from orders")
    assert json.loads(told.stdout)["orders"] > 0
    told = dropless("source", "marketplace", "--run", '{"count": "orders"}')
    assert json.loads(told.stdout)["n"] > 0
