"""What `dropless status` and the commands around the example tell of a running stack."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import httpx
import pytest

from dropless import durability
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


def test_every_client_and_broker_is_told_beside_the_durability_table(settings: Settings, endpoints: Endpoints):
    told = dropless("status", "--json", "--clients")
    rows = json.loads(told.stdout)["durability"]
    assert [row for row in rows if not row["kept"]] == []
    assert {(row["client"], row["layer"]) for row in rows} >= {
        *((f"broker {number}", "broker") for number in (1, 2, 3)),
        ("union-orders-0", "producer"),
        ("union-orders-0", "consumer"),
        ("union-orders-0", "streams"),
        ("lake-orders", "consumer"),
        ("kafka-connect-1", "producer"),
        ("connector orders.store", "producer"),
        ("connector orders.marketplace", "producer"),
        ("Pinot orders", "consumer"),
    }
    assert {(row["layer"], row["setting"]) for row in rows} == {(each.layer, each.name) for each in durability.TABLE}
    assert all(row["read_from"] for row in rows)
    assert told.returncode == 0


def test_a_connector_whose_retries_may_overtake_differs(settings: Settings, endpoints: Endpoints):
    url = f"{endpoints.kafka_connect[0]}/connectors/orders.store/config"
    config = httpx.get(url, trust_env=False).json()
    try:
        _put(url, config | {"producer.override.max.in.flight.requests.per.connection": "5"})
        told = dropless("status", "--json", "--clients")
        differing = [row for row in json.loads(told.stdout)["durability"] if not row["kept"]]
        assert [(row["client"], row["setting"], row["required"], row["effective"]) for row in differing] == [
            ("connector orders.store", "max.in.flight.requests.per.connection", "1", "5")
        ]
        assert told.returncode == 3
    finally:
        _put(url, config)


def _put(url: str, config: dict[str, str]) -> None:
    httpx.put(url, json=config, trust_env=False, timeout=90).raise_for_status()


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
