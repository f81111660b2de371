"""That flushing is really on: the brokers' fsyncs are counted, not their configuration read."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from flushes import Recorder

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.settings import Settings

BROKERS = (1, 2, 3)
RECORDS = 20_000
BATCH = 100
SINGLE_RECORDS = 10
# A busy machine may take its time between a log's turn and the end of its fsync.
LATEST_FLUSH_SECONDS = 2.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def producer(endpoints: Endpoints) -> Producer:
    made = Producer(durability.transactional_producer(endpoints, f"flushing.{uuid.uuid4().hex[:8]}"))
    made.init_transactions(30)
    return made


def write(producer: Producer, topic: str, count: int) -> None:
    """One transaction, in batches small beside the flush limit, each on all replicas before the next."""
    producer.begin_transaction()
    for _ in range(0, count, BATCH):
        for number in range(min(count, BATCH)):
            producer.produce(topic, b"x" * 100, b"%d" % number)
        assert producer.flush(30) == 0
    producer.commit_transaction(30)


def test_every_replica_is_flushed_every_thousand_records(
    topics: tuple[str, str],
    producer: Producer,
    settings: Settings,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    kept, ruined = topics
    with Recorder(settings, tmp_path).recording() as flushes:
        write(producer, kept, RECORDS)
        write(producer, ruined, RECORDS)
    counts = {broker: len(flushes.of(broker, f"{kept}-0")) for broker in BROKERS}
    record_property("fsyncs of 20,000 records", counts)
    for broker, count in counts.items():
        assert count >= RECORDS // (durability.FLUSH_MESSAGES + BATCH), f"broker {broker} flushed {count} times"
        assert flushes.of(broker, f"{ruined}-0") == [], "the override did not keep the broker from flushing"


def test_a_single_record_is_flushed_within_a_moment_on_every_replica(
    topics: tuple[str, str],
    producer: Producer,
    settings: Settings,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    kept, ruined = topics
    with Recorder(settings, tmp_path).recording() as flushes:
        written = []
        for _ in range(SINGLE_RECORDS):
            for topic in (ruined, kept):
                written.append(time.time())
                write(producer, topic, 1)
            # Apart, so that each record needs an fsync of its own.
            time.sleep(2 * (durability.FLUSH_MS + durability.FLUSH_CHECK_MS) / 1000)
        time.sleep(LATEST_FLUSH_SECONDS)
    delays = []
    for broker in BROKERS:
        assert flushes.of(broker, f"{ruined}-0") == [], "the override did not keep the broker from flushing"
        for moment in written[1::2]:
            ends = [end for begin, end in flushes.of(broker, f"{kept}-0") if begin >= moment]
            assert ends, f"broker {broker} did not flush a record"
            delays.append(ends[0] - moment)
    record_property("seconds to a record's fsync: median, longest", (statistics.median(delays), max(delays)))
    print(f"a record is flushed after {statistics.median(delays):.3f} s, at most {max(delays):.3f} s")
    assert max(delays) < LATEST_FLUSH_SECONDS


def test_the_transaction_log_is_flushed_too(
    topics: tuple[str, str], producer: Producer, settings: Settings, tmp_path: Path
) -> None:
    with Recorder(settings, tmp_path).recording() as flushes:
        write(producer, topics[0], 1)
        time.sleep(LATEST_FLUSH_SECONDS)
    for broker in BROKERS:
        assert any(folder.startswith("__transaction_state-") for folder in flushes.by_broker[broker])
