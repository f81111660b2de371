"""The commands and the code location, told by a file where the systems answer, as they are on Kubernetes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ResourceType
from overriding import set_config

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.settings import PROJECT
from resources.cluster import ClusterView

DROPLESS = [sys.executable, "-c", "from dropless.cli import main; main()"]
TICK = """
import dagster as dg
from pipeline_assets.definitions import definitions
made = definitions()
failed = set()
for name in ("processes", "durability"):
    sensor = made.get_repository_def().get_sensor_def(name)
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(instance=instance, repository_def=made.get_repository_def())
        ticked = sensor.evaluate_tick(context)
        for event in ticked.asset_events:
            if isinstance(event, dg.AssetCheckEvaluation) and not event.passed:
                failed.add((name, event.asset_key.to_user_string(), event.check_name, event.description))
        print(name, len(ticked.asset_events))
for each in sorted(failed):
    print("failed", each)
"""


@pytest.fixture
def told(endpoints: Endpoints, tmp_path: Path) -> Mapping[str, str]:
    """An environment in which the stack's addresses are those of systems that somebody else runs."""
    file = tmp_path / "endpoints.json"
    pairs = {name: dict(getattr(endpoints, name)) for name in ("kafka_security", "connect_passwords")}
    file.write_text(json.dumps(asdict(endpoints) | pairs, default=str))
    return {"DROPLESS_ENDPOINTS": str(file), "DROPLESS_STATE": str(tmp_path / "another")}


def run(arguments: list[str], told: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, capture_output=True, text=True, check=False, timeout=180, cwd=PROJECT, env={**os.environ, **told}
    )


def test_nothing_is_to_be_done_and_no_process_is_looked_for(told: Mapping[str, str]):
    planned = run([*DROPLESS, "plan", "--json"], told)
    assert (planned.returncode, [each for each in json.loads(planned.stdout) if each["action"] != "notice"]) == (0, [])
    refused = run([*DROPLESS, "plan", "--only", "process"], told)
    assert refused.returncode == 1
    assert "Nothing is called 'process'" in refused.stderr


def test_a_topic_that_drifted_is_put_right_from_there(told: Mapping[str, str], endpoints: Endpoints):
    kafka = AdminClient(durability.admin_client(endpoints))
    set_config(kafka, ResourceType.TOPIC, "unified.orders", "min.insync.replicas", "1")
    applied = run([*DROPLESS, "apply", "--only", "topic:unified.orders", "--json"], told)
    assert applied.returncode == 0, applied.stderr
    (change,) = json.loads(applied.stdout)
    assert change["name"] == "unified.orders"
    assert ClusterView(endpoints).topic_config("unified.orders")["min.insync.replicas"] == "2"


def test_status_tells_of_systems_and_tables_and_of_no_process(told: Mapping[str, str]):
    found = json.loads(run([*DROPLESS, "status", "--json"], told).stdout)
    assert found["problems"] == []
    assert found["processes"] == {}
    assert {"kafka", "pinot", "minio"} <= found["systems"].keys()
    assert "union" not in found["systems"]


def test_the_sensors_judge_what_can_be_seen_from_there(told: Mapping[str, str]):
    ticked = run([sys.executable, "-c", TICK], told)
    assert ticked.returncode == 0, ticked.stderr
    assert "failed" not in ticked.stdout
    first, systems, second, judged = ticked.stdout.split()
    assert (first, second) == ("processes", "durability")
    assert int(systems) >= 8
    assert int(judged) >= 8
