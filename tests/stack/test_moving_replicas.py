"""Replicas are copied to other brokers under traffic, throttled, and nothing is lost."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from differing import differences

from dropless import durability
from dropless.plan import Resource
from resources.adapters import adapters
from resources.cluster import ClusterView
from resources.committed import CommittedReader
from resources.provisioning import preview, provision
from resources.waiting import until


@pytest.fixture
def topic(kafka: AdminClient) -> Iterator[Resource]:
    config = durability.topic()
    name = f"probe.{uuid.uuid4().hex[:8]}"
    placed = [[1, 2], [1, 2], [1, 2]]
    fresh = NewTopic(name, 3, replica_assignment=placed, config=config)
    kafka.create_topics([fresh], operation_timeout=10)[name].result()
    properties = {"partitions": 3, "replication_factor": 3, "placement": "even", "config": config}
    yield Resource("kafka", "topic", name, properties, {"keyed": False})
    kafka.delete_topics([name], operation_timeout=10)[name].result()


def test_a_third_replica_is_made_under_traffic_and_an_interruption_leaves_nothing(endpoints, topic, kafka):
    known = adapters(endpoints, move_bytes_per_second=3_000_000)
    assert {path for path, _, _ in differences(known, topic)} == {"replication_factor", "placement"}
    acknowledged, stop = set(), threading.Event()
    producer = Producer(durability.transactional_producer(endpoints, topic.name))
    producer.init_transactions(30)

    def traffic() -> None:
        payload, number = os.urandom(20_000).hex(), 0
        while not stop.is_set():
            producer.begin_transaction()
            batch = range(number, number + 20)
            for each in batch:
                producer.produce(topic.name, f"{each} {payload}", partition=each % 3)
            producer.commit_transaction(30)
            acknowledged.update(batch)
            number += 20
            # First something to be moved; then less than the move may take.
            stop.wait(0.2 if number < 300 else 1.0)

    writer = threading.Thread(target=traffic)
    writer.start()
    try:
        until("Traffic", lambda: None if len(acknowledged) > 200 else "little is written yet", 60)
        told: list[str] = []

        def interrupt(text: str) -> None:
            told.append(text)
            if "MB left" in text:
                assert throttles(kafka, topic.name)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            provision([topic], known, interrupt)
        until("Kafka", lambda: "it is still throttled" if throttles(kafka, topic.name) else None, 10)
        assert "replication_factor" in {path for path, _, _ in differences(known, topic)}
        told.clear()
        provision([topic], known, told.append)
        assert any("MB left" in each for each in told)
    finally:
        stop.set()
        writer.join(60)
    assert throttles(kafka, topic.name) == {}
    leaders = [each.leader for each in kafka.list_topics(topic.name).topics[topic.name].partitions.values()]
    assert sorted(leaders) == [1, 2, 3]
    assert preview([topic], known).empty
    reader = CommittedReader(endpoints, topic.name)
    ends = {(topic.name, number): (0, 0) for number in range(3)}
    view = ClusterView(endpoints)
    ends = {place: (0, end) for place, end in view.ends(ends).items()}
    assert {int(each.value().split()[0]) for each in reader.read(ends)} >= acknowledged


def throttles(kafka: AdminClient, topic: str) -> dict[str, str]:
    """Every throttle on the topic or a broker."""
    targets = [ConfigResource(ResourceType.TOPIC, topic)]
    targets += [ConfigResource(ResourceType.BROKER, str(number)) for number in (1, 2, 3)]
    return {
        f"{target.name} {entry.name}": entry.value
        # A broker can only be asked for its own configuration, one request each.
        for target in targets
        for entry in kafka.describe_configs([target])[target].result().values()
        if "throttled" in entry.name and entry.value and not entry.is_default
    }
