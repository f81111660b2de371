"""The union worker against the real brokers: exactly once and in order, whatever happens to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from slowness import slowness
from small_union import SmallUnion, eventually, free_port, in_background, status

from dropless import durability, names
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.ksqldb.desired import given_back
from dropless.settings import Settings
from dropless.union.loop import Union
from dropless.union.slot import Slot
from dropless.union.status import Status
from dropless.union.transaction import Transactions
from dropless.union.watchdog import Watchdog
from dropless.union.worker import routes
from resources.ksqldb_offsets import KafkaGroups
from resources.ksqldb_workers import Workers, places

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def union(tmp_path: Path, endpoints: Endpoints, settings: Settings) -> Iterator[SmallUnion]:
    made = SmallUnion(tmp_path, endpoints, settings)
    made.make_topics()
    yield made
    made.remove()


def start(union: SmallUnion, slot: int = 0) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    return union.worker(slot, "--status-port", str(port)), port


def test_every_record_becomes_a_row_or_a_dead_letter_and_the_status_says_so(union: SmallUnion):
    union.write(5000)
    _, port = start(union)
    found = union.audit()
    assert eventually(lambda: status(port)["rows_in"] == 5000)
    told = status(port)
    assert (told["rows_out"], told["rows_dead"]) == (found["rows"], found["dead"])
    assert told["rows_skipped"] == 5000 - found["raw"]
    assert found["dead"] > 0
    assert told["sources"]["shop"]["rows_out"] == found["rows"]
    assert told["effective"]["producer"]["acks"] == "all"
    assert told["effective"]["consumer"]["isolation.level"] == "read_committed"
    # Markers occupy offsets, yet nothing is left to read.
    assert eventually(lambda: set(status(port)["lag"].values()) == {0})
    assert len(told["assignment"]) == union.contract.partitions


def test_it_starts_within_three_seconds_and_stops_within_five(union: SmallUnion):
    union.write(100)
    slow = slowness()
    began = time.time()
    process, port = start(union)
    assert eventually(lambda: status(port)["last_commit"]) - began < 3 * slow
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert time.monotonic() - began < 5 * slow


def test_killed_workers_leave_no_gap_and_no_duplicate(union: SmallUnion):
    process, _ = start(union)
    with in_background(lambda: union.write(12_000, rate=1200)):
        for pause in (1.3, 0.9, 1.7, 0.4, 1.1, 1.5):
            time.sleep(pause)
            process.kill()
            process.wait()
            process, _ = start(union)
    assert union.audit()["raw"] > 10_000


def test_workers_that_come_and_go_share_the_partitions_without_loss_or_repetition(union: SmallUnion):
    first, first_port = start(union, 0)
    with in_background(lambda: union.write(16_000, rate=1000)):
        second, second_port = start(union, 1)

        def shared() -> bool:
            both = [status(first_port)["assignment"], status(second_port)["assignment"]]
            return all(both) and sum(map(len, both)) == union.contract.partitions

        assert eventually(shared)
        # A static member's partitions wait for it, so it is given back what it had.
        first.kill()
        first.wait()
        first, first_port = start(union, 0)
        assert eventually(lambda: status(first_port)["rows_in"] > 0)
        second.send_signal(signal.SIGTERM)
        assert second.wait(10) == 0
        assert eventually(lambda: len(status(first_port)["assignment"]) == union.contract.partitions)
    union.audit()


def test_a_worker_that_was_suspended_does_not_repeat_what_its_heir_did(union: SmallUnion):
    first, _ = start(union, 0)
    _, second_port = start(union, 1)
    with in_background(lambda: union.write(12_000, rate=1000)):
        assert eventually(lambda: status(second_port)["rows_in"] > 0)
        first.send_signal(signal.SIGSTOP)
        # Longer than the session: its partitions go to the other worker.
        assert eventually(lambda: len(status(second_port)["assignment"]) == union.contract.partitions, 25)
        first.send_signal(signal.SIGCONT)
    union.audit()


def test_a_second_process_for_the_same_slot_replaces_the_first(union: SmallUnion):
    union.write(100)
    first, first_port = start(union)
    assert eventually(lambda: status(first_port)["rows_in"] > 0)
    with in_background(lambda: union.write(5000, rate=2000)):
        _, second_port = start(union)
        assert first.wait(20) == 1
        assert eventually(lambda: status(second_port)["rows_in"] > 0)
    assert "this one stops" in union.log("union-0")
    union.audit()


def test_the_group_tells_whether_another_process_has_a_slot(union: SmallUnion):
    _, port = start(union)
    assert eventually(lambda: status(port)["assignment"])
    slot = Slot(union.endpoints, status(port)["effective"]["consumer"], threading.Event())
    group = names.union_group(union.table)
    (member,) = union.admin.describe_consumer_groups([group])[group].result(10).members
    assert not slot.taken(member.member_id)
    assert slot.taken("another")


# A member that gives partitions up as a rebalance asks for, and dies before it says so.
HALF_A_REBALANCE = """
import json, os, sys
from confluent_kafka import Consumer
consumer = Consumer(json.loads(sys.argv[1]))
consumer.subscribe([sys.argv[2]], on_revoke=lambda *_: os._exit(7))
while True:
    consumer.poll(0.1)
"""


def test_a_partition_that_the_group_has_forgotten_is_read_again(union: SmallUnion):
    union.write(600)
    group = names.union_group(union.table)
    config = durability.union_consumer(union.endpoints, group, f"{union.table}.other")
    command = [sys.executable, "-c", HALF_A_REBALANCE, json.dumps(config), union.raw]

    def shares() -> dict[str, int]:
        members = union.admin.describe_consumer_groups([group])[group].result(10).members
        return {str(each.group_instance_id): len(each.assignment.topic_partitions) for each in members}

    other = subprocess.Popen(command)
    assert eventually(lambda: shares() == {f"{union.table}.other": union.contract.partitions}, 60)
    _, port = start(union)
    assert other.wait(60) == 7
    # Back before its session ends: the group gives it what the first half of the rebalance left it.
    other = subprocess.Popen(command)
    try:
        assert eventually(lambda: "nobody reads some partitions" in union.log("union-0"), 60)
        assert eventually(lambda: status(port)["assignment"], 60)
        assert eventually(lambda: sum(shares().values()) == union.contract.partitions, 60)
    finally:
        other.kill()
        other.wait()
    union.audit(60)


def test_it_waits_for_topics_that_are_made_later(tmp_path: Path, endpoints: Endpoints, settings: Settings):
    union = SmallUnion(tmp_path, endpoints, settings)
    process, port = start(union)
    assert eventually(lambda: status(port)["state"] == "waiting for topics")
    union.make_topics()
    try:
        union.write(500)
        union.audit()
        assert process.poll() is None
        assert union.log("union-0").count("not made yet") == 1
    finally:
        union.remove()


LATE = "late"


class Faulty(Producer):
    """A real producer that at some calls says what a broken broker would say."""

    faults: dict[str, dict[int, str]]
    calls: dict[str, int]

    def _meets(self, call: str) -> str | None:
        self.calls[call] = self.calls.get(call, 0) + 1
        return self.faults.get(call, {}).pop(self.calls[call], None)

    def _really(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except KafkaException as raised:
            if raised.args[0].retriable():
                self.calls[LATE] = self.calls.get(LATE, 0) + 1
            raise

    def commit_transaction(self, timeout: float = -1) -> None:
        fault = self._meets("commit")
        if fault == "abort":
            raise error(KafkaError.INVALID_TXN_STATE, txn_requires_abort=True)
        if fault == "unknown before":
            raise error(KafkaError._STATE)
        self._really(super().commit_transaction, timeout)
        if fault == "unknown after":
            raise error(KafkaError._TRANSPORT)
        if fault == "retry":
            raise error(KafkaError._TIMED_OUT, retriable=True)

    def send_offsets_to_transaction(self, positions: Any, group_metadata: Any, timeout: float = -1) -> None:
        fault = self._meets("offsets")
        if fault == "abort":
            raise error(KafkaError.UNKNOWN_MEMBER_ID, txn_requires_abort=True)
        self._really(super().send_offsets_to_transaction, positions, group_metadata, timeout)
        if fault == "retry":
            raise error(KafkaError._TIMED_OUT, retriable=True)

    def abort_transaction(self, timeout: float = -1) -> None:
        if self._meets("abort") == "unknown":
            raise error(KafkaError._STATE)
        self._really(super().abort_transaction, timeout)


def error(code: int, *, retriable: bool = False, txn_requires_abort: bool = False) -> KafkaException:
    return KafkaException(KafkaError(code, "injected", False, retriable, txn_requires_abort))


@pytest.mark.parametrize(
    ("faults", "remade"),
    [
        pytest.param({"commit": {2: "abort", 4: "abort"}}, 0, id="aborted"),
        # A broker that has seen nothing of the transaction yet may refuse to abort it: then the producer goes, too.
        pytest.param({"offsets": {3: "abort"}}, {0, 1}, id="offsets-refused"),
        pytest.param({"commit": {2: "abort"}, "abort": {1: "unknown"}}, 1, id="abort-fails-too"),
        pytest.param({"commit": {3: "unknown before"}}, 1, id="not-committed-and-nobody-knows"),
        pytest.param({"commit": {3: "unknown after", 5: "unknown after"}}, 2, id="committed-and-nobody-knows"),
        pytest.param({"commit": {2: "retry"}, "offsets": {4: "retry"}}, 2, id="late-answers"),
    ],
)
def test_whatever_a_commit_says_each_record_comes_once(
    union: SmallUnion, faults: dict[str, dict[int, str]], remade: int | set[int]
):
    calls: dict[str, int] = {}
    told = run_here(union, faults, calls)
    union.audit()
    assert not any(faults.values()), "a fault was never met"
    expected = remade if isinstance(remade, set) else {remade}
    # On a busy machine a real call may be late: what came of it is in doubt, and the producer goes, as it should.
    assert min(expected) <= told["producers_remade"] <= max(expected) + calls.get(LATE, 0)


def run_here(union: SmallUnion, faults: dict[str, dict[int, str]], calls: dict[str, int]) -> dict[str, Any]:
    """Run the worker's loop in this process until it has read what is written meanwhile."""
    stop, watchdog = threading.Event(), Watchdog()
    instance = names.union_transactional_id(union.table, 0)
    told = Status(
        table=union.table,
        slot=0,
        contract_digest="",
        consumer=durability.union_consumer(union.endpoints, names.union_group(union.table), instance),
        producer=durability.transactional_producer(union.endpoints, instance),
    )

    def make(config: dict[str, Any]) -> Producer:
        producer = Faulty(config)
        producer.faults, producer.calls = faults, calls
        return producer

    transactions = Transactions(
        told.producer, unified_topic=union.unified, dead_topic=union.dead, stop=stop, watchdog=watchdog, make=make
    )
    slot = Slot(union.endpoints, told.consumer, stop)
    loop = Union(routes(union.contract), transactions, told, slot=slot, stop=stop, watchdog=watchdog)
    with in_background(loop.run):
        try:
            for _ in range(8):
                union.write(300)
                time.sleep(0.2)
            eventually(lambda: told.snapshot()["rows_in"] >= union.written, 40)
        finally:
            stop.set()
    return told.snapshot()


def test_records_gone_before_they_were_read_stop_the_worker_with_a_sentence(union: SmallUnion):
    union.write(1000)
    process, port = start(union)
    assert eventually(lambda: status(port)["rows_in"] == 1000)
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    union.write(1000)
    union.delete_records(union.raw)
    process, _ = start(union)
    assert process.wait(20) == 1
    assert "are gone that the union has not read" in union.log("union-0")


def test_while_ksqldb_unites_the_table_workers_wait_and_then_go_on_where_it_ended(union: SmallUnion):
    (mapping,) = given_back(union.contract)
    workers = Workers(KafkaGroups(union.endpoints), mapping)
    union.write(1000)
    process, port = start(union)
    assert eventually(lambda: status(port)["rows_in"] == 1000)
    # Whoever works is not set back by anybody.
    with pytest.raises(DroplessError, match="Kafka refused"):
        workers.leave(dict.fromkeys(places(mapping), 0))
    assert not workers.waiting()
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    ended = workers.end()
    workers.leave(ended)
    assert workers.waiting()
    union.write(1000)
    process, port = start(union)
    assert eventually(lambda: status(port)["state"] == "waiting for ksqlDB")
    # Neither does one that is started anew overlook it.
    process.kill()
    process.wait()
    process, port = start(union)
    assert eventually(lambda: status(port)["state"] == "waiting for ksqlDB")
    assert status(port)["rows_in"] == 0
    assert "`dropless apply` has it hand them over" in union.log("union-0")
    # It has not joined, so that its group can be told where to go on.
    workers.go_on(ended)
    assert eventually(lambda: status(port)["rows_in"] == 1000)
    assert not workers.waiting()
    assert union.audit()["raw"] > 1900
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_a_worker_that_waits_for_ksqldb_can_be_stopped(union: SmallUnion):
    (mapping,) = given_back(union.contract)
    workers = Workers(KafkaGroups(union.endpoints), mapping)
    workers.leave(workers.end())
    process, port = start(union)
    assert eventually(lambda: status(port)["state"] == "waiting for ksqlDB")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_an_unknown_table_is_one_sentence(union: SmallUnion):
    process = union.start("dropless.union.worker", "--table", "nope", log="nope")
    assert process.wait(20) == 1
    assert "declares a table 'nope'" in union.log("nope")
