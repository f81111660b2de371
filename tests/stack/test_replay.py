"""Dead letters come alive once their mapping was mended, in their place among the versions of their key."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer
from small_union import CONTRACT, SmallUnion, in_background

from dropless import durability
from dropless.contract import Contract, parse_contract
from dropless.endpoints import Endpoints
from dropless.records import headers
from dropless.settings import Settings
from dropless.union.replay import DeadLetter, Origin
from resources.audit import audit
from resources.dead_letters import dead_letters as count
from resources.replay import dead_letters, replay

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def union(tmp_path: Path, endpoints: Endpoints, settings: Settings) -> Iterator[SmallUnion]:
    """A small union with dead letters: some totals are no numbers."""
    made = SmallUnion(tmp_path, endpoints, settings)
    made.make_topics()
    yield made
    made.remove()


@pytest.fixture
def mended(union: SmallUnion, tmp_path_factory: pytest.TempPathFactory) -> Contract:
    """The contract as it is once somebody decided what such a total means."""
    path = tmp_path_factory.mktemp("mended") / "defs.yaml"
    values = 'amount: {from: total, values: {"not a number": "0"}}'
    path.write_text(CONTRACT.format(table=union.table).replace("amount: total", values))
    return parse_contract(path)


def last_and_newest(union: SmallUnion) -> tuple[dict[str, int], dict[str, int]]:
    last: dict[str, int] = {}
    newest: dict[str, int] = defaultdict(int)
    for message in union.read(union.unified):
        row = orjson.loads(message.value())
        last[row["_key"]] = row["_position"]
        newest[row["_key"]] = max(newest[row["_key"]], row["_position"])
    return last, dict(newest)


def work_off(union: SmallUnion) -> None:
    worker = union.worker()
    union.audit()
    worker.terminate()
    assert worker.wait(10) == 0


def test_what_is_still_wrong_stays_dead(union: SmallUnion) -> None:
    union.write(1000)
    work_off(union)
    count = len(list(dead_letters(union.endpoints, union.table)))
    outcome = replay(union.endpoints, union.contract)
    assert (outcome.replayed, outcome.superseded, outcome.still_dead) == (0, 0, count)
    assert sum(outcome.reasons.values()) == count > 0


def test_a_mended_mapping_brings_back_what_has_no_newer_version(union: SmallUnion, mended: Contract) -> None:
    union.write(1000)
    work_off(union)
    count = len(list(dead_letters(union.endpoints, union.table)))
    before = len(list(union.read(union.unified)))

    told = replay(union.endpoints, mended, write=False)
    assert len(list(union.read(union.unified))) == before
    outcome = replay(union.endpoints, mended)
    assert outcome == told
    assert outcome.still_dead == 0
    assert outcome.replayed > 0
    assert outcome.superseded > 0
    assert outcome.replayed + outcome.superseded == count
    rows = list(union.read(union.unified))
    assert len(rows) == before + outcome.replayed
    assert sum("replayed" in headers(each) for each in rows) == outcome.replayed
    last, newest = last_and_newest(union)
    assert last == newest


def test_letters_that_ksqldb_wrote_are_told_audited_and_brought_back_like_a_workers(
    union: SmallUnion, mended: Contract, tmp_path: Path
) -> None:
    union.write(1000)
    work_off(union)
    written = list(dead_letters(union.endpoints, union.table))
    union.delete_records(union.dead)
    producer = Producer(durability.transactional_producer(union.endpoints, f"{union.table}.ksqldb"))
    producer.init_transactions(30)
    producer.begin_transaction()
    for letter in written:
        # ksqlDB has no headers, and does not repeat the record.
        told = dict(zip(("topic", "partition", "offset"), letter.origin, strict=True))
        value = orjson.dumps({"reason": letter.reason, "source": letter.source, **told})
        producer.produce(union.dead, value, letter.key, partition=letter.partition)
    producer.commit_transaction(30)

    read = dead_letters(union.endpoints, union.table)
    assert sorted(map(_said, read), key=_origin) == sorted(map(_said, written), key=_origin)
    counted = count(union.endpoints, union.table)
    assert counted.count == len(written)
    assert counted.newest_reason in {each.reason for each in written}
    assert audit(union.endpoints, union.contract, tmp_path / "audit.json").findings == ()
    outcome = replay(union.endpoints, mended)
    assert outcome.still_dead == 0
    assert outcome.replayed + outcome.superseded == len(written) > 0
    last, newest = last_and_newest(union)
    assert last == newest


def _origin(letter: DeadLetter) -> Origin:
    return letter.origin


def _said(letter: DeadLetter) -> DeadLetter:
    """Without what differs: when it was written, and at which offset."""
    return replace(letter, offset=0, timestamp_ms=0)


def test_a_replay_is_done_once(union: SmallUnion, mended: Contract, tmp_path: Path) -> None:
    union.write(1000)
    work_off(union)
    first = replay(union.endpoints, mended)
    again = replay(union.endpoints, mended)
    assert (again.replayed, again.earlier) == (0, first.replayed)
    assert audit(union.endpoints, union.contract, tmp_path / "audit.json").findings == ()


def test_a_replay_under_traffic_leaves_each_keys_newest_version_last(union: SmallUnion, mended: Contract) -> None:
    union.write(1000)
    worker = union.worker()
    union.audit()
    with in_background(lambda: union.write(4000, rate=1000)):
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            replay(union.endpoints, mended)
    assert worker.poll() is None, "a replay must not disturb the union"
    _settled(union)
    replay(union.endpoints, mended)
    last, newest = last_and_newest(union)
    assert last == newest


def _settled(union: SmallUnion) -> None:
    """Until every raw record has come out, as a row or as a dead letter."""
    expected = sum(1 for each in union.read(union.raw) if each.value() is not None)
    deadline = time.monotonic() + 30
    while True:
        rows = sum("replayed" not in headers(each) for each in union.read(union.unified))
        if rows + sum(1 for _ in union.read(union.dead)) == expected:
            return
        assert time.monotonic() < deadline, "the union did not catch up"
