"""Whether there is anything to read behind a position, or only the markers of transactions."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.lag import Lag, Position
from dropless.records import END_OF_PARTITION, origin

PEEK_SECONDS = 2.0


def only_markers(endpoints: Endpoints, behind: Sequence[Lag]) -> set[Position]:
    """The partitions whose committed end is reached from the reader's position without meeting a record.

    A marker has an offset, and so has every record of an aborted transaction, but no reader ever gets one:
    a reader that waits before them is not behind. Where nothing was heard in time, there may be records.
    """
    unsure = {(each.topic, each.partition): each.position for each in behind}
    empty: set[Position] = set()
    if not unsure:
        return empty
    consumer = Consumer(durability.positioned_consumer(endpoints, "dropless.watch", "dropless.peek"))
    try:
        consumer.assign([TopicPartition(*place, position) for place, position in unsure.items()])
        deadline = time.monotonic() + PEEK_SECONDS
        while unsure and (left := deadline - time.monotonic()) > 0:
            message = consumer.poll(left)
            if message is None:
                break
            topic, partition, _ = origin(message)
            error = message.error()
            if unsure.pop((topic, partition), None) is not None and error and error.code() == END_OF_PARTITION:
                empty.add((topic, partition))
    finally:
        consumer.close()
    return empty
