"""Whether the workers may unite a table, or ksqlDB does: a note with the offsets of the workers' own group says it.

ksqlDB has groups of its own, and where the workers once ended says nothing of how far the table is since. So whoever
has ksqlDB begin notes it where no worker can overlook it, and whoever ends its queries commits where they ended.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.records import Partition

KSQLDB: Final = "united by ksqlDB\0"
"""Ends with a zero, since confluent-kafka reads a note on to the next one, whosever memory that is."""
REQUEST_SECONDS: Final = 4.0


class Turn:
    """Asks what was noted in the workers' group."""

    def __init__(self, endpoints: Endpoints, group: str) -> None:
        """`group` is the workers'; nobody is asked yet."""
        # It never joins, and does not wait for a transaction that a killed worker left open: a note is part of none.
        self._consumer = Consumer(durability.progress_consumer(endpoints, group, f"{group}.turn"))

    def of_ksqldb(self, partitions: Collection[Partition]) -> set[str]:
        """The topics among these that ksqlDB unites.

        Raises:
            KafkaException: Kafka does not answer.
        """
        answers = self._consumer.committed([TopicPartition(*place) for place in partitions], REQUEST_SECONDS)
        for each in answers:
            if each.error:
                raise KafkaException(each.error)
        return {each.topic for each in answers if each.metadata == KSQLDB.rstrip("\0")}

    def close(self) -> None:
        """End the connection."""
        self._consumer.close()
