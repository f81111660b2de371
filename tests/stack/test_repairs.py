"""Repairs that nobody asks for but a sensor: seen to their end on the real stack, and to the end of their attempts."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient, ResourceType
from overriding import set_config
from seeing import TICK_SECONDS, newest, two_ticks
from watching import Watch, watch
from webserver import Webserver, eventually

from dropless import alerts, attempts, databases, pinot
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from pipeline_assets import repairs
from resources import repair
from resources.connect_status import ConnectStatus
from resources.platform import LocalPlatform

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

RAW = "raw.orders.store"
LAKE = "lake-orders"
STORE = "connector/orders.store:connector_works"
PAUSED = (("connector", "orders.webshop"), "connector_works")
RUNS = """
{ runsOrError(filter: {pipelineName: "repair"}, limit: 20) { ... on Runs { results {
  runId status startTime tags { key value }
} } } }"""


@pytest.fixture
def told(settings: Settings) -> Iterator[list[dict[str, Any]]]:
    """What a webhook of the alerts has been told."""
    received: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.alerts.write_text(f'webhook = "http://127.0.0.1:{server.server_port}/"\n')
    yield received
    settings.alerts.unlink()
    server.shutdown()


@contextmanager
def repairing(settings: Settings) -> Iterator[None]:
    """Dagster repairs by itself meanwhile."""
    try:
        with pytest.MonkeyPatch.context() as switched:
            switched.setenv("DROPLESS_REPAIRS", "on")
            restart(settings, "dagster")
            yield
    finally:
        # What was started by a repair has its environment.
        restart(settings, "dagster", "lake_writer")


def restart(settings: Settings, *systems: str) -> None:
    for system in systems:
        # It knows by the environment what has to be started anew.
        LocalPlatform(settings).start(system)
        LocalPlatform(settings).wait_healthy(system, 90)


def repaired_by_the_sensor(web: Webserver, since: float) -> Callable[[], list[str]]:
    """The runs that the sensor asked for and that succeeded."""

    def look() -> list[str]:
        runs = web.ask(RUNS)["runsOrError"]["results"]
        return [
            each["runId"]
            for each in runs
            if (each["startTime"] or 0) >= since
            and each["status"] == "SUCCESS"
            and {"key": "dagster/sensor_name", "value": "drift_and_repair"} in each["tags"]
        ]

    return look


def test_a_failed_task_a_dead_process_and_drift_are_repaired_by_themselves_and_what_is_paused_is_not(
    web: Webserver, kafka: AdminClient, settings: Settings, endpoints: Endpoints, told: list[dict[str, Any]]
) -> None:
    connect, platform = ConnectStatus(endpoints), LocalPlatform(settings)
    began = time.time()
    httpx.put(f"{endpoints.kafka_connect[0]}/connectors/orders.webshop/pause", timeout=60, trust_env=False)
    # No record fits into the topic any more, so the task fails, and would fail again.
    set_config(kafka, ResourceType.TOPIC, RAW, "max.message.bytes", "100")
    change = "update orders set total_cents = total_cents where id = (select max(id) from orders) returning id"
    with databases.postgresql(endpoints, "store", "admin") as connection:
        [number] = connection.execute(change).fetchone() or [0]
    eventually(lambda: connect.all()["orders.store"].failed, 60)
    platform.supervisor.stop(LAKE)
    eventually(lambda: "raised" in states(told, STORE), 4 * TICK_SECONDS)

    with repairing(settings):
        assert eventually(repaired_by_the_sensor(web, began), 4 * TICK_SECONDS + 60)
        assert connect.all()["orders.store"].running
        assert [each.state for each in platform.status() if each.name == LAKE] == ["RUNNING"]
        shown = f"""select max("_committed_at") from orders where "_key" = 'store:{number}'"""
        assert eventually(lambda: pinot.select(endpoints, shown).value() / 1000 > began, 30)
        # The pause outlasts the repair; it is told, is no danger, and ends when somebody says so.
        assert connect.all()["orders.webshop"].state == "PAUSED"
        paused = web.evaluation(*PAUSED)
        assert paused is not None
        assert (paused.status, paused.severity) == ("FAILED", "WARN")
        assert "Somebody paused or stopped it, and so it stays" in paused.description
        resumed = web.run("resume_connectors")
        assert resumed.succeeded, resumed.failures
        assert connect.all()["orders.webshop"].running
        assert eventually(newest(web, [PAUSED], began, "SUCCEEDED"), two_ticks())
        eventually(lambda: states(told, STORE) == ["raised", "over"], 4 * TICK_SECONDS)


def states(told: list[dict[str, Any]], name: str) -> list[str]:
    return [each["state"] for each in told if each["id"] == name]


@contextmanager
def port_taken(settings: Settings, endpoints: Endpoints) -> Iterator[None]:
    """The object storage's port is somebody else's, so that it dies as often as it is started."""
    LocalPlatform(settings).supervisor.stop("minio-1")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(endpoints.s3.rpartition(":")[2])))
        taken.listen()
        yield


HELP = "platform/watch:repairs_help"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same steps, minutes apart in truth."""
    monkeypatch.setenv("DROPLESS_REPAIRS", "on")
    for module, name, seconds in (
        (attempts, "PAUSE_SECONDS", 0.0),
        (repair, "HEALTHY_SECONDS", 4.0),
        (repairs, "WELL_SECONDS", 1.0),
        (repairs, "FIRST_PAUSE_SECONDS", 0.1),
        (alerts, "LASTING_SECONDS", 0.0),
        (alerts, "OVER_SECONDS", 0.0),
    ):
        monkeypatch.setattr(module, name, seconds)


def test_what_cannot_be_repaired_ends_in_one_clear_alert(
    hurried: None, settings: Settings, endpoints: Endpoints, told: list[dict[str, Any]], tmp_path: Path
) -> None:
    # Alerts are made of what the instance knows.
    with watch(tmp_path, kept=True) as watched:

        def alerted() -> list[str]:
            for _ in range(2):
                watched.tick("alerts")
            return states(told, HELP)

        with port_taken(settings, endpoints):
            failures = list(until_left_to_people(watched))
            assert len(failures) == attempts.MOST
            assert all("Given up after 3 attempts: process minio-1 is" in failure for failure in failures)
            assert "now left to you: process minio-1 is" in watched.failing([HELP])[HELP]
            assert alerted() == ["raised"]
            assert watched.tick("drift_and_repair").runs == []
            assert alerted() == ["raised"]
        restart(settings, "minio")
        watched.tick("drift_and_repair")
        assert alerted() == ["raised", "over"]


def until_left_to_people(watched: Watch) -> Iterator[str]:
    """Look again and again, and run what is asked for, until the sensor gives up; why each run failed."""
    for _ in range(40):
        for _ in watched.tick("drift_and_repair").runs:
            done = watched.run("repair")
            failed = [
                event.step_failure_data.user_failure_data for event in done.all_node_events if event.is_step_failure
            ]
            yield "; ".join(str(each.description) for each in failed if each) or "it succeeded"
        if watched.failing([HELP]):
            return
    pytest.fail("it never gave up")
