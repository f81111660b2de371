"""Whether the workers may unite a table, or ksqlDB does: a note with the offsets of the workers' own group says it.

ksqlDB has groups of its own, and where the workers once ended says nothing of how far the table is since. So whoever
has ksqlDB begin notes it where no worker can overlook it, and whoever ends its queries commits where they ended.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from dropless.records import Partition

KSQLDB: Final = "united by ksqlDB\0"
"""Ends with a zero, since confluent-kafka reads a note on to the next one, whosever memory that is."""
REQUEST_SECONDS: Final = 3.0


def of_ksqldb(consumer: Consumer, partitions: Collection[Partition]) -> set[str]:
    """The topics among these that ksqlDB unites, asked by a consumer of the workers' group that has not joined it.

    Raises:
        KafkaException: Kafka does not answer.
    """
    answers = consumer.committed([TopicPartition(*place) for place in partitions], REQUEST_SECONDS)
    for each in answers:
        if each.error:
            raise KafkaException(each.error)
    return {each.topic for each in answers if each.metadata == KSQLDB.rstrip("\0")}
