"""Making a unified table again from its raw topics: everything that the union wrote is dropped first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropless import names
from dropless.endpoints import Endpoints
from dropless.lake.store import Store
from dropless.plan import Resource
from resources.adapter import Progress
from resources.pinot_segments import drop_table
from resources.topic_admin import TopicAdmin

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


def start_over(endpoints: Endpoints, admin: TopicAdmin, topic: Resource, progress: Progress) -> None:
    """Drop the outputs of a table's union and what was made of them; nothing may write to them meanwhile.

    `topic` is made as declared, and the union's other output as it was. All may be done again after a failure:
    `topic` is made last, so that until then it is seen that something is missing.

    Raises:
        DroplessError: Kafka, Pinot or the object store refused.
        Unreachable: one of them does not answer.
    """
    table = topic.hints["table"]
    progress(f"dropping Pinot's table {table}")
    drop_table(endpoints, table)
    for lake_table in (names.changes_table(table), table, names.deletions_table(table)):
        progress(f"dropping lake table {lake_table}")
        _empty(Store.pipeline(endpoints), lake_table)
    admin.forget(names.union_group(table))
    for name in (names.unified_topic(table), names.dead_topic(table)):
        if name != topic.name and (made := _as_it_is(admin, name)):
            progress(f"making topic {name} anew")
            admin.delete(name)
            admin.create(made)
    progress(f"making topic {topic.name} anew")
    admin.delete(topic.name)
    admin.create(topic)


def _as_it_is(admin: TopicAdmin, name: str) -> Resource | None:
    described = admin.describe([name]).get(name)
    if described is None:
        return None
    properties = {
        "partitions": len(described.partitions),
        "replication_factor": max(len(each.replicas) for each in described.partitions),
        "config": {key: value for key, value in admin.overrides([name])[name].items() if value is not None},
    }
    return Resource("kafka", "topic", name, properties)


def _empty(store: Store, table: str) -> None:
    client = store.client()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=store.bucket, Prefix=f"{table}/"):
        if found := page.get("Contents"):
            keys: list[ObjectIdentifierTypeDef] = [{"Key": each["Key"]} for each in found]
            client.delete_objects(Bucket=store.bucket, Delete={"Objects": keys, "Quiet": True})
