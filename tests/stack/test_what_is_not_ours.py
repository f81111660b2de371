"""What others made is never touched, and what is adopted shows only what differs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from differing import differences

from dropless import names, passwords
from dropless.endpoints import Endpoints
from dropless.plan import Resource
from resources.minio import s3_client
from resources.provisioning import provision
from resources.waiting import until

PUBLIC = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::lake/*"]}
        ],
    }
)


@pytest.fixture
def name(everything: dict[str, Resource], endpoints: Endpoints, kafka: AdminClient) -> Iterator[str]:
    """A topic, a connector and a bucket that somebody made by hand, each in its own way."""
    name = f"probe{uuid.uuid4().hex[:8]}"
    fresh = NewTopic(name, 1, 1, config={"retention.ms": "5", "min.insync.replicas": "1"})
    kafka.create_topics([fresh], operation_timeout=10)[name].result()
    password = passwords.read(endpoints.secrets, "postgresql_replication")
    theirs = {"topic.prefix": name, "database.password": password, "max.batch.size": "17"}
    config = dict(everything["connector:orders.store"].properties["config"]) | theirs
    url = f"{endpoints.kafka_connect[0]}/connectors"
    made = {"name": name, "config": config, "initial_state": "STOPPED"}
    answer = httpx.post(url, json=made, timeout=60)
    assert answer.is_success, answer.text
    until("Connect", lambda: None if httpx.get(f"{url}/{name}/status").is_success else "it has no status", 30)
    s3 = s3_client(endpoints, "dropless-root", "minio_root")
    s3.create_bucket(Bucket=name)
    yield name
    s3.delete_bucket(Bucket=name)
    httpx.delete(f"{url}/{name}", timeout=60)
    kafka.delete_topics([name], operation_timeout=10)[name].result()


def test_it_is_never_touched(known, everything, name, endpoints, kafka):
    url = f"{endpoints.kafka_connect[0]}/connectors/{name}"
    s3 = s3_client(endpoints, "dropless-root", "minio_root")

    def theirs() -> list[object]:
        target = ConfigResource(ResourceType.TOPIC, name)
        topic = {each.name: each.value for each in kafka.describe_configs([target])[target].result().values()}
        buckets = {each["Name"] for each in s3.list_buckets()["Buckets"]}
        return [topic, httpx.get(f"{url}/config").json(), name in buckets]

    before = theirs()
    s3.put_bucket_policy(Bucket=names.LAKE_BUCKET, Policy=PUBLIC)
    assert [path for path, _, _ in differences(known, everything["bucket:lake"])] == ["policy"]
    [change] = provision(list(everything.values()), known).changes
    assert change.desired.id == "bucket:lake"
    assert theirs() == before


def test_what_is_adopted_shows_only_what_differs_and_no_password(known, everything, name):
    properties = {
        "partitions": 1,
        "replication_factor": 1,
        "config": {"retention.ms": "6", "cleanup.policy": "delete"},
    }
    topic = Resource("kafka", "topic", name, properties)
    assert differences(known, topic) == [
        ("config/retention.ms", "5", "6"),
        ("config/cleanup.policy", None, "delete"),
    ]
    connector = everything["connector:orders.store"]
    adopted = replace(connector, name=name)
    assert {path: before for path, before, _ in differences(known, adopted)} == {
        "config/topic.prefix": name,
        "config/database.password": "(hidden)",
        "config/max.batch.size": "17",
    }
