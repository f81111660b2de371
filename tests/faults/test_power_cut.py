"""What is left when brokers lose their power, and with it every byte that was not yet on the disk."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from cluster import Brokers
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from power import Power, Survives
from traffic import QUIET, Reader, SmallUnion, Writer
from unsynced import kernel_tells, up_to_the_recovery_point, written_by_the_kernel
from workers import Workers

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.records import origin
from dropless.settings import Settings
from dropless.union.outcome import Row
from dropless.union.worker import routes
from resources.audit import audit
from resources.cluster import ClusterView
from resources.committed import CommittedReader

NEVER = str(2**63 - 1)
RATE = 800
# A busy machine may take its time between a log's turn and the end of its fsync.
LATEST_FLUSH_SECONDS = 2.0

pytestmark = pytest.mark.timeout(280)
asks_the_kernel = pytest.mark.skipif(
    not kernel_tells(), reason="only Linux 6.5 and later tell which pages are not on the disk"
)


@pytest.fixture
def brokers(settings: Settings, endpoints: Endpoints) -> Iterator[Brokers]:
    found = Brokers(settings, endpoints)
    found.wait_until_whole()
    yield found
    found.wait_until_whole()


@pytest.fixture
def union(tmp_path: Path, endpoints: Endpoints, settings: Settings, brokers: Brokers) -> Iterator[SmallUnion]:
    made = SmallUnion(tmp_path, endpoints, settings)
    made.make_topics()
    yield made
    brokers.wait_until_whole()
    made.remove()


@pytest.fixture
def workers(union: SmallUnion) -> Iterator[Workers]:
    started = Workers(union, 1)
    started.start()
    yield started
    started.finish()


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize(
    "survives", [pytest.param(written_by_the_kernel, marks=asks_the_kernel), up_to_the_recovery_point]
)
def test_one_broker_loses_its_unsynced_bytes_and_nothing_is_lost(
    survives: Survives, union: SmallUnion, brokers: Brokers, settings: Settings, tmp_path: Path
) -> None:
    power, writer, reader = Power(settings), Writer(union, RATE), Reader(union)
    for thread in (writer, reader):
        thread.start()
    for topic in (union.raw, union.unified):
        _moves_on(reader, writer)
        victim = brokers.leader(topic)
        with power.off((victim,), survives, union.table, only=False) as lost:
            print(f"broker {victim}, the leader of {topic}, lost {sum(lost.values()):,} bytes: {lost}")
            _moves_on(reader, writer)
        brokers.wait_until_whole()
    _moves_on(reader, writer)
    writer.finish()
    union.audit(60)
    reader.finish()
    assert reader.wrong == []
    report = audit(union.endpoints, union.contract, tmp_path / "audit.json")
    assert report.findings == ()
    raw = {origin(each): each for each in union.read(union.raw)}
    assert report.records == sum(each.value() is not None for each in raw.values())
    _acknowledged_is_there(writer, raw)
    _rows_are_what_the_mapping_makes(union, raw)


def _moves_on(reader: Reader, writer: Writer) -> None:
    rows, written = len(reader.seen), len(writer.acknowledged)
    deadline = time.monotonic() + 90
    while len(reader.seen) < rows + 300 or len(writer.acknowledged) < written + 300:
        assert time.monotonic() < deadline, "nothing moves any more"
        time.sleep(0.05)


def _acknowledged_is_there(writer: Writer, raw: dict[tuple[str, int, int], Message]) -> None:
    there = {orjson.loads(each.value() or b"")["source"]["lsn"] for each in raw.values() if each.value() is not None}
    # Every 31st record is a tombstone and carries no number.
    missing = {number for number in writer.acknowledged if number % 31} - there
    assert not missing, f"{len(missing)} acknowledged records are lost"


def _rows_are_what_the_mapping_makes(union: SmallUnion, raw: dict[tuple[str, int, int], Message]) -> None:
    mapper = routes(union.contract)[union.raw].mapper
    for message in union.read(union.unified):
        row = orjson.loads(message.value() or b"")
        source = raw[(row["_topic"], row["_partition"], row["_offset"])]
        assert Row(message.key() or b"", message.value() or b"") == mapper(
            source.key(), source.value(), row["_partition"], row["_offset"]
        )


# --- all brokers at once ---


class Numbers(threading.Thread):
    """Writes numbered records to one partition and notes when each was acknowledged by all replicas."""

    def __init__(self, endpoints: Endpoints, topic: str) -> None:
        super().__init__(name=f"numbers.{topic}", daemon=True)
        self.acknowledged: dict[int, float] = {}
        self._topic = topic
        self._ended = threading.Event()
        config = QUIET | durability.transactional_producer(endpoints, topic)
        # Not in transactions, which would be answered only when they end.
        self._producer = Producer({name: value for name, value in config.items() if "transaction" not in name})

    def run(self) -> None:
        number = 0
        while not self._ended.is_set():
            try:
                self._producer.produce(self._topic, b"%d %s" % (number, b"x" * 100), on_delivery=self._noted)
            except BufferError:
                break
            number += 1
            self._producer.poll(0)
            self._ended.wait(1 / RATE)

    def _noted(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acknowledged[_number(message)] = time.time()

    def finish(self) -> None:
        self._ended.set()
        self.join(30)
        self._producer.purge()
        self._producer.flush(10)


@pytest.fixture
def topics(endpoints: Endpoints, brokers: Brokers) -> Iterator[tuple[str, str]]:
    """A topic with the project's settings, and one whose overrides leave flushing to the operating system."""
    name = f"power.{uuid.uuid4().hex[:8]}"
    kept, ruined = f"{name}.kept", f"{name}.ruined"
    admin = AdminClient(durability.admin_client(endpoints))
    overrides = {kept: {}, ruined: {"flush.messages": NEVER, "flush.ms": NEVER}}
    wanted = [NewTopic(each, 1, 3, config=durability.topic() | overrides[each]) for each in (kept, ruined)]
    for future in admin.create_topics(wanted).values():
        future.result(30)
    yield kept, ruined
    brokers.wait_until_whole()
    for future in admin.delete_topics([kept, ruined]).values():
        future.result(30)


@asks_the_kernel
def test_all_brokers_at_once_lose_no_more_than_the_flush_settings_say(
    topics: tuple[str, str],
    brokers: Brokers,
    settings: Settings,
    endpoints: Endpoints,
    record_property: Callable[[str, object], None],
) -> None:
    power = Power(settings)
    for topic in topics:
        writer = Numbers(endpoints, topic)
        writer.start()
        _until(lambda writer=writer: len(writer.acknowledged) > 3 * durability.FLUSH_MESSAGES)
        with power.off((1, 2, 3), written_by_the_kernel, topic, only=True):
            writer.finish()
        acknowledged = dict(writer.acknowledged)
        moment = max(acknowledged.values())
        brokers.wait_until_whole()
        left = [_number(each) for each in _read(endpoints, topic)]
        assert left == sorted(set(left))
        missing = sorted(acknowledged.keys() - set(left))
        age = moment - acknowledged[missing[0]] if missing else 0.0
        told = f"{len(missing)} of {len(acknowledged)} acknowledged records, the oldest {age:.3f} s old"
        record_property(f"lost of {topic}", told)
        print(f"{topic}: lost {told}")
        if topic == topics[0]:
            assert len(missing) <= durability.FLUSH_MESSAGES
            assert age < LATEST_FLUSH_SECONDS
        else:
            assert len(missing) > durability.FLUSH_MESSAGES, "the override did not keep the brokers from flushing"


def _number(message: Message) -> int:
    return int((message.value() or b"").split()[0])


def _read(endpoints: Endpoints, topic: str) -> Iterator[Message]:
    view = ClusterView(endpoints)
    ends = view.ends([(topic, 0)])
    return CommittedReader(endpoints, "power").read({place: (0, end) for place, end in ends.items()})


def _until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
