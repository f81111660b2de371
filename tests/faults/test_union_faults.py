"""Exactly once and in order, whatever dies, in the manner of kafkatest's transactions_test.

Traffic runs throughout, and a read_committed reader watches. The order of the faults is drawn from
DROPLESS_FAULT_SEED (told when the test fails), and they are all played DROPLESS_FAULT_ROUNDS times.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from cluster import Brokers
from traffic import Reader, SmallUnion, Workers, Writer

from dropless.endpoints import Endpoints
from dropless.records import origin
from dropless.settings import Settings
from dropless.union.outcome import Row
from dropless.union.worker import routes
from resources.audit import audit

SEED = int(os.environ.get("DROPLESS_FAULT_SEED", "1"))
ROUNDS = int(os.environ.get("DROPLESS_FAULT_ROUNDS", "1"))
RATE = 800

pytestmark = pytest.mark.timeout(280 * ROUNDS)

Fault = Callable[[Brokers, Workers, str], None]


def kill_a_worker(_brokers: Brokers, workers: Workers, _table: str) -> None:
    workers.processes[0].kill()


def kill_all_workers(_brokers: Brokers, workers: Workers, _table: str) -> None:
    for process in workers.processes:
        process.kill()


def suspend_a_worker_beyond_its_session(_brokers: Brokers, workers: Workers, _table: str) -> None:
    process = workers.processes[-1]
    process.send_signal(signal.SIGSTOP)
    time.sleep(9)
    process.send_signal(signal.SIGCONT)


def kill_the_leader_of_the_input(brokers: Brokers, _workers: Workers, table: str) -> None:
    brokers.kill(brokers.leader(f"raw.{table}.shop"))


def kill_the_leader_of_the_output(brokers: Brokers, _workers: Workers, table: str) -> None:
    brokers.kill(brokers.leader(f"unified.{table}"))


def kill_the_transaction_coordinator(brokers: Brokers, _workers: Workers, table: str) -> None:
    brokers.kill(brokers.transaction_coordinator(table))


def kill_the_group_coordinator(brokers: Brokers, _workers: Workers, table: str) -> None:
    brokers.kill(brokers.group_coordinator(table))


def kill_two_brokers(brokers: Brokers, _workers: Workers, _table: str) -> None:
    brokers.kill(1, 2)


def kill_all_brokers(brokers: Brokers, _workers: Workers, _table: str) -> None:
    brokers.kill(1, 2, 3)


def suspend_a_leader(brokers: Brokers, _workers: Workers, table: str) -> None:
    with brokers.suspended(brokers.leader(f"unified.{table}")):
        time.sleep(6)


def suspend_the_transaction_coordinator_beyond_the_time_out(brokers: Brokers, _workers: Workers, table: str) -> None:
    # A late EndTxn arrives after the transaction has timed out (KAFKA-17754).
    with brokers.suspended(brokers.transaction_coordinator(table)):
        time.sleep(12)


def kill_the_controller(brokers: Brokers, _workers: Workers, _table: str) -> None:
    brokers.kill_controller()


FAULTS: tuple[Fault, ...] = (
    kill_a_worker,
    kill_all_workers,
    suspend_a_worker_beyond_its_session,
    kill_the_leader_of_the_input,
    kill_the_leader_of_the_output,
    kill_the_transaction_coordinator,
    kill_the_group_coordinator,
    kill_two_brokers,
    kill_all_brokers,
    suspend_a_leader,
    suspend_the_transaction_coordinator_beyond_the_time_out,
    kill_the_controller,
)


@pytest.fixture
def brokers(settings: Settings, endpoints: Endpoints) -> Iterator[Brokers]:
    found = Brokers(settings, endpoints)
    found.wait_until_whole()
    yield found
    found.wait_until_whole()


@pytest.fixture
def workers(union: SmallUnion) -> Iterator[Workers]:
    started = Workers(union, 2)
    started.start()
    yield started
    started.finish()


@pytest.fixture
def union(tmp_path: Path, endpoints: Endpoints, settings: Settings, brokers: Brokers) -> Iterator[SmallUnion]:
    made = SmallUnion(tmp_path, endpoints, settings)
    made.make_topics()
    yield made
    brokers.wait_until_whole()
    made.remove()


def test_nothing_is_lost_doubled_or_disordered_whatever_dies(
    union: SmallUnion,
    workers: Workers,
    brokers: Brokers,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    schedule = [fault for round_ in range(ROUNDS) for fault in random.Random(SEED + round_).sample(FAULTS, len(FAULTS))]
    writer, reader = Writer(union, RATE), Reader(union)
    for thread in (writer, reader):
        thread.start()
    recoveries: dict[str, float] = {}
    for fault in schedule:
        _moves_on(reader, writer, f"before {fault.__name__} (seed {SEED})")
        fault(brokers, workers, union.table)
        began = time.monotonic()
        _moves_on(reader, writer, f"after {fault.__name__} (seed {SEED})")
        recoveries[fault.__name__] = round(time.monotonic() - began, 1)
        brokers.wait_until_whole()
    writer.finish()
    _catches_up(union)
    reader.finish()
    record_property("seconds from each fault to the next rows", recoveries)
    print(f"seed {SEED}: {len(writer.acknowledged):,} acknowledged, seconds to the next rows: {recoveries}")

    assert reader.wrong == []
    report = audit(union.endpoints, union.contract, tmp_path / "audit.json")
    assert report.findings == (), f"seed {SEED}"
    raw = {origin(each): each for each in union.read(union.raw)}
    assert report.records == sum(each.value() is not None for each in raw.values()) > 5000
    _acknowledged_is_there(writer, raw.values())
    _rows_are_what_the_mapping_makes(union, raw)


def _acknowledged_is_there(writer: Writer, raw) -> None:
    there = {orjson.loads(each.value())["source"]["lsn"] for each in raw if each.value() is not None}
    # Every 31st record is a tombstone and carries no number.
    missing = {number for number in writer.acknowledged if number % 31} - there
    assert not missing, f"{len(missing)} acknowledged records are lost"


def _rows_are_what_the_mapping_makes(union: SmallUnion, raw) -> None:
    mapper = routes(union.contract)[union.raw].mapper
    for message in union.read(union.unified):
        row = orjson.loads(message.value())
        source = raw[(row["_topic"], row["_partition"], row["_offset"])]
        assert Row(message.key(), message.value()) == mapper(
            source.key(), source.value(), row["_partition"], row["_offset"]
        )


def _moves_on(reader: Reader, writer: Writer, when: str) -> None:
    """Until the reader sees rows of transactions that were written from now on."""
    rows, written = len(reader.seen), len(writer.acknowledged)
    deadline = time.monotonic() + 90
    while len(reader.seen) < rows + 300 or len(writer.acknowledged) < written + 200:
        assert time.monotonic() < deadline, (
            f"nothing moves {when}: {len(reader.seen) - rows} rows, {len(writer.acknowledged) - written} acknowledged"
        )
        time.sleep(0.05)


def _catches_up(union: SmallUnion) -> None:
    expected = sum(each.value() is not None for each in union.read(union.raw))
    deadline = time.monotonic() + 60
    while True:
        done = sum(1 for _ in union.read(union.unified)) + sum(1 for _ in union.read(union.dead))
        if done >= expected:
            return
        assert time.monotonic() < deadline, f"the union came to {done} of {expected} records"
