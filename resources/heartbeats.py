"""Heartbeats: written to sources whose connector does not do it itself, and seen when they come out of Kafka."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from dropless import databases, durability
from dropless.contract import MongodbCollection
from dropless.desired.databases import HEARTBEAT_COLLECTION
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from dropless.lag import Position
from dropless.records import END_OF_PARTITION, origin
from resources.cluster import shared_view

# Enough of a heartbeat topic's end to hold the newest heartbeat row beside the connector's own signs of life.
LAST_RECORDS = 100
READ_SECONDS = 2.0
_BATCH = 500


def beat(endpoints: Endpoints, collection: MongodbCollection) -> None:
    """Write a heartbeat into a MongoDB database (Debezium itself writes those of PostgreSQL).

    Raises:
        DroplessError: the server does not answer, or its user may not write to the heartbeat collection.
    """
    try:
        with _client(endpoints, collection) as client:
            database = client[collection.database]
            if not list(database.list_collections(filter={"name": HEARTBEAT_COLLECTION})):
                # Like the captured collection: a change without pre-images could stop the change stream.
                database.create_collection(HEARTBEAT_COLLECTION, changeStreamPreAndPostImages={"enabled": True})
            database[HEARTBEAT_COLLECTION].replace_one({"_id": 1}, {"_id": 1, "ts": datetime.now(UTC)}, upsert=True)
    except PyMongoError as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise DroplessError(f"MongoDB takes no heartbeat in {collection.database!r}: {lines[0][:200]}") from None


@contextmanager
def _client(endpoints: Endpoints, collection: MongodbCollection) -> Iterator[MongoClient[dict[str, Any]]]:
    if collection.uri_env is None:
        with databases.mongodb(endpoints, "admin") as client:
            yield client
        return
    uri = os.environ.get(collection.uri_env)
    if not uri:
        raise DroplessError(f"{collection.uri_env} is not set: it must hold the URI of the MongoDB server.")
    with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=5000, connectTimeoutMS=5000) as client:
        yield client


@lru_cache(maxsize=2)
def heartbeats(endpoints: Endpoints) -> Heartbeats:
    """The reader of this process, whose connections are kept from look to look."""
    return Heartbeats(endpoints)


class Heartbeats:
    """Reads heartbeat topics on from where it was."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._lock = threading.Lock()
        self._consumer: Consumer | None = None
        self._assigned: frozenset[str] = frozenset()
        self._newest: dict[str, float] = {}

    def newest(self, topics: Collection[str]) -> dict[str, float]:
        """When the newest heartbeat row that came out was written at its source, by topic, in seconds since 1970.

        Raises:
            Unreachable: Kafka does not answer.
        """
        with self._lock:
            try:
                if self._consumer is None or frozenset(topics) != self._assigned:
                    self._begin(topics)
                self._read_on()
            except (KafkaException, DroplessError):
                self._end()
                raise
            return {topic: self._newest[topic] for topic in topics if topic in self._newest}

    def _begin(self, topics: Collection[str]) -> None:
        self._end()
        view = shared_view(self._endpoints)
        partitions = view.partitions(sorted(topics))
        ends = view.ends(partitions)
        starts = view.starts(partitions)
        self._consumer = Consumer(
            durability.positioned_consumer(self._endpoints, "dropless.watch", "dropless.heartbeats")
        )
        self._consumer.assign(
            [TopicPartition(*place, max(starts[place], ends[place] - LAST_RECORDS)) for place in partitions]
        )
        self._assigned = frozenset(topics) if len(partitions) >= len(topics) else frozenset()

    def _read_on(self) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        unread: set[Position] = {(each.topic, each.partition) for each in consumer.assignment()}
        deadline = time.monotonic() + READ_SECONDS
        while unread and (left := deadline - time.monotonic()) > 0:
            messages: Sequence[Message] = consumer.consume(_BATCH, min(left, 0.1))
            if not messages:
                # The ends were reported at an earlier look, and nothing has come since.
                break
            for message in messages:
                topic, partition, _ = origin(message)
                error = message.error()
                if error is None:
                    self._see(topic, message)
                elif error.code() == END_OF_PARTITION:
                    unread.discard((topic, partition))
                else:
                    raise Unreachable(f"Heartbeats cannot be read: {error.str()}.")

    def _see(self, topic: str, message: Message) -> None:
        written = written_at(message.value())
        if written is not None:
            self._newest[topic] = max(written, self._newest.get(topic, 0.0))

    def _end(self) -> None:
        if self._consumer:
            self._consumer.close()
        self._consumer, self._assigned = None, frozenset()


def written_at(value: bytes | None) -> float | None:
    """When a heartbeat row was written, in seconds since 1970; None for a connector's own sign of life.

    A connector says that it lives even when its source has stopped talking to it, so that proves nothing.
    """
    record = orjson.loads(value or b"{}")
    row = record.get("after") if isinstance(record, dict) else None
    if isinstance(row, str):
        document = orjson.loads(row)
        milliseconds = document.get("ts", {}).get("$date")
        return milliseconds / 1000 if isinstance(milliseconds, int) else None
    if isinstance(row, dict) and isinstance(row.get("ts"), str):
        return datetime.fromisoformat(row["ts"]).timestamp()
    return None
