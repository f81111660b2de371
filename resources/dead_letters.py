"""How many records of a table could not be mapped."""

from __future__ import annotations

import time
from dataclasses import dataclass

from confluent_kafka import Consumer, Message, TopicPartition

from dropless import durability, names
from dropless.endpoints import Endpoints
from dropless.errors import Unreachable
from dropless.records import END_OF_PARTITION, headers
from resources.cluster import ClusterView

# Counting reads the topic, since commit markers occupy offsets too.
COUNT_SECONDS = 4.0
_BATCH = 5000


@dataclass(frozen=True)
class DeadLetters:
    """The dead letters of a table; `counted` is False when there are more than could be counted in time."""

    count: int
    counted: bool
    newest_reason: str | None


def dead_letters(endpoints: Endpoints, table: str) -> DeadLetters:
    """Count a table's dead letters; none while its dead-letter topic does not exist.

    Raises:
        Unreachable: Kafka does not answer.
    """
    view = ClusterView(endpoints)
    partitions = view.partitions([names.dead_topic(table)])
    starts, ends = view.starts(partitions), view.ends(partitions)
    filled = [each for each in partitions if ends[each] > starts[each]]
    if not filled:
        return DeadLetters(0, counted=True, newest_reason=None)
    consumer = Consumer(durability.positioned_consumer(endpoints, "dropless.watch", "dropless.dead_letters"))
    try:
        consumer.assign([TopicPartition(*each, starts[each]) for each in filled])
        return _count(consumer, len(filled))
    finally:
        consumer.close()


def _count(consumer: Consumer, unfinished: int) -> DeadLetters:
    count, newest = 0, None
    deadline = time.monotonic() + COUNT_SECONDS
    while unfinished and (left := deadline - time.monotonic()) > 0:
        for message in consumer.consume(_BATCH, min(left, 0.2)):
            error = message.error()
            if error is None:
                count += 1
                newest = max(newest or message, message, key=lambda each: each.timestamp()[1])
            elif error.code() == END_OF_PARTITION:
                unfinished -= 1
            else:
                raise Unreachable(f"The dead letters cannot be read: {error.str()}.")
    return DeadLetters(count, counted=not unfinished, newest_reason=_reason(newest))


def _reason(message: Message | None) -> str | None:
    return headers(message).get("reason") if message else None
