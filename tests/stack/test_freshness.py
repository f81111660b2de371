"""How old an answer may be, asked while records are on their way through Kafka: never younger, and not much older."""

from __future__ import annotations

import threading
import time

import orjson
import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from seeing import Check, newest, two_ticks
from suspending import suspended
from webserver import Webserver, eventually

from dropless import databases, names
from dropless.contract import load_contracts
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from resources.cluster import ClusterView, shared_view
from resources.freshness import freshness
from resources.platform import LocalPlatform
from resources.waiting import until

TOPIC = "test.freshness"


def test_answers_stay_fresh_after_a_rest_and_when_nothing_that_is_captured_becomes_a_row(
    web: Webserver, settings: Settings, endpoints: Endpoints
) -> None:
    began, [orders] = time.time(), load_contracts(settings.contracts)
    ages: list[float] = []

    def change(statement: str) -> None:
        """Ask for freshness again and again while a change is on its way, after a rest."""
        # Older than what is allowed below: then only the newest change may date the answer.
        until("A rest", lambda: None if newest_record(endpoints) < time.time() - 20 else "it is too early", 60)
        with databases.postgresql(endpoints, "store", "admin") as connection:
            connection.execute(statement)
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            ages.append(freshness(endpoints, orders) or 0.0)

    touched = "update orders set total_cents = total_cents where id = (select max(id) from orders)"
    change(touched)
    # No contract maps this state, so that a dead letter is all that comes of it.
    change(touched.replace("total_cents = total_cents", "state = '?'"))
    change(touched.replace("total_cents = total_cents", "state = 'N'"))
    dead: Check = (("kafka", names.dead_topic("orders")), "no_new_dead_letters")
    found = eventually(newest(web, [dead], began, "FAILED"), two_ticks())
    assert found[dead].severity == "WARN"
    assert 'cannot take "?"' in found[dead].description
    assert max(ages) < 15, sorted(ages)[-5:]


def newest_record(endpoints: Endpoints) -> float:
    view = shared_view(endpoints)
    newest = view.newest(view.partitions(["raw.orders.store"]))
    return newest.timestamp() if newest else 0.0


def test_a_record_that_its_replica_does_not_have_yet_hides_none_before_it(
    kafka: AdminClient, settings: Settings, endpoints: Endpoints
) -> None:
    view, place = ClusterView(endpoints), (TOPIC, 0)
    [follower] = [each.pid for each in LocalPlatform(settings).status() if each.name == "kafka-broker-2"]
    kafka.create_topics([NewTopic(TOPIC, 1, replica_assignment=[[1, 2]])])[TOPIC].result(10)
    try:
        until("The topic", lambda: None if view.partitions([TOPIC]) else "nobody knows it", 10)
        producer = Producer({"bootstrap.servers": endpoints.kafka, "acks": 1})
        producer.produce(TOPIC, b"replicated", timestamp=1_000)
        assert producer.flush(10) == 0
        until("The first record", lambda: None if view.ends([place]) == {place: 1} else "it is not replicated", 10)
        with suspended(follower):
            # Only its leader has it.
            producer.produce(TOPIC, b"on its way", timestamp=2_000)
            assert producer.flush(10) == 0
            threading.Timer(0.5, psutil.Process(follower).resume).start()
            asked = time.monotonic()
            assert view.newest_of_topics([place])[TOPIC].timestamp() == 2
            assert time.monotonic() - asked > 0.4
    finally:
        kafka.delete_topics([TOPIC])[TOPIC].result(10)


def test_a_record_in_an_open_transaction_dates_the_answer(endpoints: Endpoints, settings: Settings) -> None:
    [orders], raw = load_contracts(settings.contracts), names.raw_topic("orders", "store")
    change = orjson.dumps({"source": {"ts_ms": int((time.time() - 100) * 1000)}})
    producer = Producer({"bootstrap.servers": endpoints.kafka, "transactional.id": TOPIC})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(raw, change)
    try:
        assert producer.flush(10) == 0
        age = freshness(endpoints, orders)
    finally:
        producer.abort_transaction(10)
    assert age is not None
    assert 100 < age < 110

    def stale() -> str | None:
        age = freshness(endpoints, orders)
        return None if age is not None and age < 15 else f"it is {age} s old"

    # What was aborted waits no more.
    until("The answer", stale, 30)
