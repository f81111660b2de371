"""Rows are read again while changes flow: all of them, those of a condition or of keys; paced, paused, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import orjson
import pytest
from program import DROPLESS
from webserver import Webserver

from dropless import databases, names
from dropless.backfill import signals
from dropless.contract import Contract
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.example import SOURCES
from dropless.example.agreement import wait_for_agreement
from dropless.example.traffic import Load, Traffic
from dropless.records import Partition
from dropless.settings import Settings
from resources.audit import audit
from resources.backfill_stream import SignalStream
from resources.cluster import ClusterView
from resources.committed import CommittedReader
from resources.platform import LocalPlatform

pytestmark = pytest.mark.long

WITHIN_SECONDS = 30.0
WORKER = "kafka-connect-1"


@pytest.fixture(scope="module")
def orders(settings: Settings) -> Contract:
    return declared(settings, "orders")


class Raw:
    """What has come into the raw topics since this was made."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._view = ClusterView(endpoints)
        self._topics = {names.raw_topic("orders", source): source for source in SOURCES}
        self._starts = self._ends()

    def _ends(self) -> dict[Partition, int]:
        return self._view.ends(self._view.partitions(sorted(self._topics)))

    def records(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """Source, key, time in milliseconds, and envelope of each."""
        ends = self._ends()
        ranges = {place: (start, ends[place]) for place, start in self._starts.items()}
        for message in CommittedReader(self._endpoints, "dropless.test.backfill").read(ranges):
            if message.value() is not None:
                key = orjson.dumps(orjson.loads(message.key() or b"{}"), option=orjson.OPT_SORT_KEYS).decode()
                source = self._topics[str(message.topic())]
                yield source, key, message.timestamp()[1], orjson.loads(message.value() or b"")

    def read(self) -> dict[str, Counter[str]]:
        """How often each key was read again, by source."""
        found: dict[str, Counter[str]] = {source: Counter() for source in SOURCES}
        for source, key, _, envelope in self.records():
            if envelope["op"] == "r":
                assert envelope["source"]["snapshot"] == "incremental"
                found[source][key] += 1
        return found

    def keys(self) -> dict[str, set[str]]:
        """All keys of which there is a record, by source."""
        found: dict[str, set[str]] = {source: set() for source in SOURCES}
        for source, key, _, _ in self.records():
            found[source].add(key)
        return found


def stored(endpoints: Endpoints) -> dict[str, set[str]]:
    """The keys that the sources hold, as the raw records have them."""
    found: dict[str, set[str]] = {}
    with databases.postgresql(endpoints, "store") as connection:
        found["store"] = {json.dumps({"id": row[0]}) for row in connection.execute("select id from public.orders")}
    with databases.postgresql(endpoints, "webshop") as connection:
        found["webshop"] = {
            json.dumps({"order_no": row[1], "shop_code": row[0]})
            for row in connection.execute("select shop_code, order_no from shop.orders")
        }
    with databases.mongodb(endpoints) as client:
        found["marketplace"] = {
            json.dumps({"id": json.dumps({"$oid": str(each["_id"])})})
            for each in client["marketplace"]["orders"].find({}, {"_id": 1})
        }
    return {
        source: {orjson.dumps(orjson.loads(key), option=orjson.OPT_SORT_KEYS).decode() for key in keys}
        for source, keys in found.items()
    }


def command(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*DROPLESS, "backfill", *arguments, "--json"], stdout=subprocess.PIPE)


def told(process: subprocess.Popen[bytes], code: int = 0) -> dict[str, Any]:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == code, output
    return {each["source"]: each for each in orjson.loads(output or b"[]")}


def status() -> dict[str, Any]:
    return told(command("status", "orders"))


def eventually(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.1)


@contextmanager
def traffic(endpoints: Endpoints, rate: float, seed: int) -> Iterator[None]:
    played = Traffic(endpoints, Load(rate, 600, seed=seed))
    thread = threading.Thread(target=played.run)
    thread.start()
    try:
        yield
    finally:
        played.stop()
        thread.join(60)


@pytest.fixture
def sound(endpoints: Endpoints, orders: Contract, tmp_path: Path) -> Callable[[], None]:
    """Sees that sources, Pinot and lake are equal, and that each raw record came out once and as a row."""
    bookmark = tmp_path / "audit.json"
    audit(endpoints, orders, bookmark, accept=True)

    def see() -> None:
        agreement = wait_for_agreement(endpoints, orders, WITHIN_SECONDS)
        assert agreement.reached, str(agreement)
        report = audit(endpoints, orders, bookmark)
        assert report.findings == ()
        assert report.dead == 0

    return see


@pytest.mark.timeout(240)
def test_everything_is_read_again_under_traffic_and_no_newer_change_is_overwritten(
    endpoints: Endpoints, sound: Callable[[], None]
) -> None:
    before = stored(endpoints)
    raw = Raw(endpoints)
    with traffic(endpoints, 300, seed=11):
        done = told(command("orders", "--rate", "400"))
    for source, step in done.items():
        assert step["note"] == "completed"
        assert step["done"] > len(before[source]) / 2
    seen, read = raw.keys(), raw.read()
    for source in SOURCES:
        # A row that changed in the window in which it was read comes as that change alone.
        assert before[source] <= seen[source], source
        assert len(read[source]) > len(before[source]) / 2, source
    sound()
    assert {each["state"] for each in status().values()} == {"completed"}
    assert {each["part"] for each in status().values()} == {1.0}


@pytest.mark.timeout(120)
def test_only_the_rows_of_a_condition_or_of_a_key_are_read(endpoints: Endpoints) -> None:
    with databases.postgresql(endpoints, "store") as connection:
        [paid] = connection.execute("select count(*) from public.orders where state = 'P'").fetchone() or [0]
    with databases.postgresql(endpoints, "webshop") as connection:
        shop, number = connection.execute("select shop_code, order_no from shop.orders limit 1").fetchone() or ("", 0)
    with databases.mongodb(endpoints) as client:
        document = client["marketplace"]["orders"].find_one() or {}
    raw = Raw(endpoints)
    done = told(command("orders", "--source", "store", "--where", "state = 'P' -- paid"))
    assert done["store"]["done"] == paid > 0
    done = told(command("orders", "--source", "webshop", "--key", json.dumps([shop, number])))
    assert done["webshop"]["done"] == 1
    done = told(command("orders", "--source", "marketplace", "--key", json.dumps({"$oid": str(document["_id"])})))
    assert done["marketplace"]["done"] == 1
    done = told(command("orders", "--source", "marketplace", "--where", '{"_id": "nothing"}'))
    assert (done["marketplace"]["note"], done["marketplace"]["done"]) == ("completed", 0)
    read = raw.read()
    assert {source: read[source].total() for source in SOURCES} == {"store": paid, "webshop": 1, "marketplace": 1}


@pytest.mark.usefixtures("settings")
def test_a_condition_that_is_wrong_or_wants_to_write_is_one_sentence() -> None:
    for where, said in (
        ("sate = 'P'", 'column "sate" does not exist'),
        ("id in (select 1 from dropless.heartbeat for update)", "read-only transaction"),
    ):
        arguments = [*DROPLESS, "backfill", "orders", "--source", "store", "--where", where]
        failed = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
        assert failed.returncode == 1
        assert said in failed.stderr


@pytest.mark.timeout(240)
def test_a_worker_killed_amid_it_leaves_no_row_out(
    endpoints: Endpoints, settings: Settings, sound: Callable[[], None]
) -> None:
    platform = LocalPlatform(settings)
    [pid] = [each.pid for each in platform.status() if each.name == WORKER and each.pid]
    before = stored(endpoints)
    raw = Raw(endpoints)
    # MongoDB's windows have no order: Debezium itself would leave rows out.
    topic = names.signal_topic("orders", "marketplace")
    with traffic(endpoints, 100, seed=12), SignalStream(endpoints, topic) as stream:
        running = command("orders")
        while not any(each.signal.type == signals.EXECUTE for each in stream.poll(0.01)):
            assert running.poll() is None
        os.kill(pid, signal.SIGKILL)
        done = told(running)
    platform.wait_healthy("kafka_connect", 120)
    assert {step["note"] for step in done.values()} == {"completed"}
    print("slices asked for again:", {source: step["again"] for source, step in done.items()})
    seen = raw.keys()
    for source in SOURCES:
        assert before[source] <= seen[source], source
    sound()


@contextmanager
def commits_held_back(endpoints: Endpoints) -> Iterator[Callable[[], None]]:
    """A transaction that asks for a replica waits for one that does not exist: in the WAL, and not yet visible."""
    with databases.postgresql(endpoints, "store", "admin", autocommit=True) as admin:

        def configure(statement: LiteralString) -> None:
            admin.execute(statement)
            admin.execute("select pg_reload_conf()")

        configure("alter system set synchronous_commit = local")
        configure("alter system set synchronous_standby_names = 'nobody'")
        release = partial(configure, "alter system reset synchronous_standby_names")
        try:
            yield release
        finally:
            release()
            configure("alter system reset synchronous_commit")


@pytest.mark.timeout(120)
def test_a_row_is_not_read_as_it_was_before_a_change_that_is_captured_but_not_visible_yet(
    endpoints: Endpoints, sound: Callable[[], None]
) -> None:
    with databases.postgresql(endpoints, "store") as connection:
        [number] = connection.execute("select min(id) from public.orders").fetchone() or [0]
    raw = Raw(endpoints)

    def change() -> None:
        with databases.postgresql(endpoints, "store") as connection:
            connection.execute("set local synchronous_commit = on")
            connection.execute("update public.orders set total_cents = total_cents + 1 where id = %s", [number])

    waiting = """
        select count(*) from pg_stat_activity
        where state = 'active' and query ~ 'settled' and pid <> pg_backend_pid()"""
    with commits_held_back(endpoints) as release, databases.postgresql(endpoints, "store", "admin") as admin:
        admin.autocommit = True
        thread = threading.Thread(target=change)
        thread.start()
        eventually(lambda: raw.keys()["store"] == {json.dumps({"id": number}, separators=(",", ":"))})
        running = command("orders", "--source", "store", "--key", str(number))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (admin.execute(waiting).fetchone() or [0])[0]:
            time.sleep(0.02)
        release()
        thread.join()
        assert told(running)["store"]["done"] == 1
    assert [envelope["op"] for *_, envelope in raw.records()] == ["u", "r"]
    sound()


@pytest.mark.timeout(180)
def test_the_rate_holds_and_a_pause_is_one(endpoints: Endpoints) -> None:
    rate, slice_seconds = 50, 2
    raw = Raw(endpoints)
    running = command("orders", "--source", "store", "--rate", str(rate))
    eventually(lambda: raw.read()["store"].total() >= 4 * rate)
    assert told(command("pause", "orders"), 0) == {}
    eventually(lambda: status()["store"]["state"] == "paused")
    # The slice that was under way when it was told.
    time.sleep(slice_seconds)
    quiet = raw.read()["store"].total()
    time.sleep(2 * slice_seconds)
    assert raw.read()["store"].total() == quiet
    found = status()["store"]
    assert found["driven"]
    assert 0 < found["part"] < 1
    assert told(command("resume", "orders"), 0) == {}
    eventually(lambda: raw.read()["store"].total() >= quiet + 2 * rate)
    assert told(command("stop", "orders"), 0) == {}
    assert told(running)["store"]["note"] == "stopped"
    assert status()["store"]["state"] == "stopped"
    at = sorted(moment for source, _, moment, envelope in raw.records() if source == "store" and envelope["op"] == "r")
    window = 4
    for first, moment in enumerate(at):
        most = sum(1 for each in at[first:] if each < moment + window * 1000)
        # A window that begins with a slice holds one more than its time has room for.
        assert most <= rate * (window + slice_seconds), "the load on the source is not bounded"


@pytest.mark.timeout(180)
def test_ctrl_c_ends_it_and_one_whose_driver_died_goes_on(endpoints: Endpoints) -> None:
    raw = Raw(endpoints)
    running = command("orders", "--source", "webshop", "--rate", "60")
    eventually(lambda: raw.read()["webshop"].total() > 0)
    again = subprocess.run(
        [*DROPLESS, "backfill", "orders", "--source", "webshop"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "runs already" in again.stderr
    running.send_signal(signal.SIGINT)
    assert told(running, 130)["webshop"]["note"] == "stopped"
    total = raw.read()["webshop"].total()
    assert status()["webshop"]["state"] == "stopped"

    whole = Raw(endpoints)
    before = stored(endpoints)
    running = command("orders", "--source", "webshop", "--rate", "300")
    eventually(lambda: whole.read()["webshop"].total() > 300)
    running.kill()
    running.communicate()
    found = status()["webshop"]
    assert (found["state"], found["driven"]) == ("begun", False)
    assert told(command("resume", "orders"))["webshop"]["note"] == "completed"
    assert whole.read()["webshop"].keys() == before["webshop"]
    assert total < len(before["webshop"])


@pytest.mark.timeout(120)
def test_the_job_reads_rows_again(web: Webserver, endpoints: Endpoints) -> None:
    raw = Raw(endpoints)
    config = {"table": "orders", "sources": ["store", "webshop"], "where": "1 = 1", "rate": 5000.0}
    run = web.run("backfill", config={"ops": {"refill": {"config": config}}})
    assert run.succeeded, run.failures
    before, read = stored(endpoints), raw.read()
    assert {source: len(read[source]) for source in ("store", "webshop")} == {
        source: len(before[source]) for source in ("store", "webshop")
    }
