"""The audit is itself tested by putting each fault into the topics and seeing it found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from small_union import SmallUnion, eventually

from dropless import durability, names
from dropless.endpoints import Endpoints
from dropless.records import headers, origin
from dropless.settings import Settings
from resources.audit import Report, audit
from resources.cluster import ClusterView

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def union(tmp_path: Path, endpoints: Endpoints, settings: Settings) -> Iterator[SmallUnion]:
    """A small union that has worked off everything that was written, and is stopped."""
    made = SmallUnion(tmp_path, endpoints, settings)
    made.make_topics()
    made.write(2000)
    worker = made.worker()
    made.audit()
    worker.terminate()
    assert worker.wait(10) == 0
    yield made
    made.remove()


@pytest.fixture
def bookmark(tmp_path: Path) -> Path:
    return tmp_path / "audit.json"


def run(union: SmallUnion, bookmark: Path) -> Report:
    return audit(union.endpoints, union.contract, bookmark)


def found(report: Report) -> list[tuple[str, str, int, int]]:
    return [(each.anomaly.value, each.topic, each.partition, each.offset) for each in report.findings]


def some_row(union: SmallUnion) -> Message:
    return next(iter(union.read(union.unified)))


def put(union: SmallUnion, *rows: dict, abort: bool = False, partition: int = 0) -> None:
    """Write rows into the unified topic behind the union's back."""
    producer = Producer(durability.transactional_producer(union.endpoints, f"{union.table}.fault"))
    producer.init_transactions(30)
    producer.begin_transaction()
    for row in rows:
        producer.produce(union.unified, orjson.dumps(row), row["_key"].encode(), partition=partition)
    if abort:
        producer.flush(30)
        producer.abort_transaction(30)
    else:
        producer.commit_transaction(30)


def test_a_sound_union_has_no_finding_and_every_record_is_counted(union: SmallUnion, bookmark: Path) -> None:
    report = run(union, bookmark)
    assert found(report) == []
    assert report.records == report.rows + report.dead > 1900
    assert report.dead > 0


def test_an_audit_goes_on_where_the_last_one_ended(union: SmallUnion, bookmark: Path) -> None:
    run(union, bookmark)
    again = run(union, bookmark)
    assert (again.records, again.rows, again.dead, again.findings) == (0, 0, 0, ())
    union.write(300)
    worker = union.worker()
    union.audit()
    worker.terminate()
    worker.wait(10)
    third = run(union, bookmark)
    assert found(third) == []
    assert 200 < third.records <= 300


def test_a_row_written_twice_is_a_duplicate(union: SmallUnion, bookmark: Path) -> None:
    message = some_row(union)
    row = orjson.loads(message.value())
    # At the end of the same partition it is out of order, too.
    put(union, row, partition=message.partition())
    kinds = [(kind, offset) for kind, _, _, offset in found(run(union, bookmark))]
    assert kinds == [("duplicate", row["_offset"]), ("nonmonotonic", row["_offset"])]


def test_a_row_written_twice_is_found_after_its_own_audit_too(union: SmallUnion, bookmark: Path) -> None:
    message = some_row(union)
    assert found(run(union, bookmark)) == []
    row = orjson.loads(message.value())
    put(union, row, partition=message.partition())
    assert {kind for kind, *_ in found(run(union, bookmark))} == {"duplicate", "nonmonotonic"}


def test_findings_are_told_until_they_are_accepted(union: SmallUnion, bookmark: Path) -> None:
    message = some_row(union)
    put(union, orjson.loads(message.value()), partition=message.partition())
    first = found(run(union, bookmark))
    assert first
    assert found(run(union, bookmark)) == first
    assert found(audit(union.endpoints, union.contract, bookmark, accept=True)) == first
    assert found(run(union, bookmark)) == []


def test_an_aborted_row_is_none(union: SmallUnion, bookmark: Path) -> None:
    put(union, orjson.loads(some_row(union).value()), abort=True)
    assert found(run(union, bookmark)) == []


def test_a_row_of_a_record_that_was_aborted_is_an_aborted_read(union: SmallUnion, bookmark: Path) -> None:
    producer = Producer(durability.transactional_producer(union.endpoints, f"{union.table}.raw.fault"))
    producer.init_transactions(30)
    producer.begin_transaction()
    reports: list[Message] = []
    producer.produce(union.raw, b"{}", b"{}", partition=0, on_delivery=lambda _error, sent: reports.append(sent))
    producer.flush(30)
    producer.abort_transaction(30)
    offset = origin(reports[0])[2]
    # The union passes over it once something follows.
    union.write(200)
    worker = union.worker()
    union.audit()
    worker.terminate()
    worker.wait(10)
    row = orjson.loads(some_row(union).value()) | {"_partition": 0, "_offset": offset}
    put(union, row, partition=2)
    assert ("aborted-read", union.raw, 0, offset) in found(run(union, bookmark))


def test_an_offset_committed_past_a_record_is_a_lost_write(union: SmallUnion, bookmark: Path) -> None:
    before = {origin(each) for each in union.read(union.raw)}
    union.write(100)
    missed = {origin(each) for each in union.read(union.raw) if each.value() is not None and origin(each) not in before}
    set_offsets(union, ends(union))
    lost = found(run(union, bookmark))
    assert {kind for kind, *_ in lost} == {"lost-write"}
    assert {(topic, partition, offset) for _, topic, partition, offset in lost} == missed


def test_a_group_that_is_set_back_by_hand_repeats_records_and_each_is_told_as_a_duplicate(
    union: SmallUnion, bookmark: Path
) -> None:
    assert found(run(union, bookmark)) == []
    before = {origin(each): each.value() for each in union.read(union.unified)}
    set_offsets(union, dict.fromkeys(range(3), 0))
    worker = union.worker()
    eventually(lambda: at_the_end(union), 60)
    worker.terminate()
    assert worker.wait(10) == 0
    told = found(run(union, bookmark))
    assert {kind for kind, *_ in told} == {"duplicate", "nonmonotonic"}
    doubled = {(topic, partition, offset) for kind, topic, partition, offset in told if kind == "duplicate"}
    assert doubled == {origin(each) for each in union.read(union.raw) if each.value() is not None}
    # Twice the same bytes: readers that keep a key's newest version see no difference.
    rows = [each for each in union.read(union.unified) if origin(each) not in before]
    assert {each.value() for each in rows} == set(before.values())


def test_a_replayed_dead_letter_is_no_duplicate(union: SmallUnion, bookmark: Path) -> None:
    dead = headers(next(iter(union.read(union.dead))))
    row = orjson.loads(some_row(union).value())
    row |= {"_partition": int(dead["partition"]), "_offset": int(dead["offset"])}
    producer = Producer(durability.transactional_producer(union.endpoints, f"{union.table}.fault"))
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(union.unified, orjson.dumps(row), row["_key"].encode(), headers=[("replayed", b"1")])
    producer.commit_transaction(30)
    assert found(run(union, bookmark)) == []


def test_a_row_that_compaction_removed_is_no_lost_write(union: SmallUnion, bookmark: Path) -> None:
    written = sum(1 for _ in union.read(union.unified))
    compact(union)
    # The segment that is written to is never compacted: what comes now rolls it.
    union.write(300)
    worker = union.worker()
    eventually(lambda: at_the_end(union), 60)
    worker.terminate()
    worker.wait(10)
    eventually(lambda: sum(1 for _ in union.read(union.unified)) < written, 90)
    report = run(union, bookmark)
    assert found(report) == []
    assert report.compacted > 100
    assert report.records == report.rows + report.dead + report.compacted


def test_in_a_compacted_topic_too_a_lost_write_is_found(union: SmallUnion, bookmark: Path) -> None:
    compact(union)
    before = {origin(each) for each in union.read(union.raw)}
    union.write(30)
    # Nothing newer of their keys comes after the last of each.
    newest = {each.key(): origin(each) for each in union.read(union.raw) if each.value() is not None}
    set_offsets(union, ends(union))
    lost = {(topic, number, offset) for _, topic, number, offset in found(run(union, bookmark))}
    assert lost >= {place for place in newest.values() if place not in before} != set()


def test_records_that_were_deleted_before_the_union_read_them_are_lost_writes(
    union: SmallUnion, bookmark: Path
) -> None:
    union.write(300)
    union.delete_records(union.raw)
    report = run(union, bookmark)
    assert {kind for kind, *_ in found(report)} == {"lost-write"}
    assert {partition for _, _, partition, _ in found(report)} == {0, 1, 2}


def test_records_that_were_deleted_after_their_audit_are_not_asked_for(union: SmallUnion, bookmark: Path) -> None:
    run(union, bookmark)
    union.delete_records(union.raw)
    assert found(run(union, bookmark)) == []
    bookmark.unlink()
    report = run(union, bookmark)
    assert found(report) == []
    assert report.records == 0
    assert report.unaudited > 2000


def compact(union: SmallUnion) -> None:
    """Let the brokers compact the unified topic as soon as they can."""
    changed = {"min.compaction.lag.ms": "0", "max.compaction.lag.ms": "1", "segment.ms": "100"}
    resource = ConfigResource(ResourceType.TOPIC, union.unified)
    for name, value in changed.items():
        resource.add_incremental_config(ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET))
    for future in union.admin.incremental_alter_configs([resource]).values():
        future.result(30)


def ends(union: SmallUnion) -> dict[int, int]:
    """The next offset of each partition of the raw topic."""
    places = [(union.raw, number) for number in range(3)]
    return {number: offset for (_, number), offset in ClusterView(union.endpoints).ends(places).items()}


def at_the_end(union: SmallUnion) -> bool:
    """Whether the union has committed its way past the last record of every partition."""
    done = ClusterView(union.endpoints).committed(names.union_group(union.table))
    last = dict.fromkeys(range(3), -1)
    for each in union.read(union.raw):
        last[origin(each)[1]] = origin(each)[2]
    return all(done.get((union.raw, number), 0) > offset for number, offset in last.items())


def set_offsets(union: SmallUnion, offsets: dict[int, int]) -> None:
    """Set a stopped union's group by hand, as an operator might."""
    consumer = Consumer(durability.positioned_consumer(union.endpoints, names.union_group(union.table), "fault"))
    wanted = [TopicPartition(union.raw, number, offset) for number, offset in offsets.items()]
    # The stopped worker is a static member: until its session ends the group takes no stranger's commit.
    eventually(lambda: _committed(consumer, wanted), 20)
    consumer.close()


def _committed(consumer: Consumer, offsets: list[TopicPartition]) -> bool:
    try:
        return all(each.error is None for each in consumer.commit(offsets=offsets, asynchronous=False))
    except KafkaException:
        return False
