"""The signal topic, followed from its end: what a connector has dealt with, as it does."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from dropless import durability
from dropless.backfill.signals import Seen, seen
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.records import POSITION_GONE, headers
from resources.cluster import shared_view

_BATCH = 500


class SignalStream:
    """One reader of one connector's signals."""

    def __init__(self, endpoints: Endpoints, topic: str) -> None:
        self._endpoints = endpoints
        self._topic = topic
        self._consumer: Consumer | None = None

    def __enter__(self) -> Self:
        """Stand at the topic's end.

        Raises:
            DroplessError: there is no such topic.
            Unreachable: Kafka does not answer.
        """
        view = shared_view(self._endpoints)
        ends = view.ends(view.partitions([self._topic]))
        if not ends:
            raise DroplessError(
                f"There is no topic {self._topic!r}: `dropless apply` makes it, and what else it needs."
            )
        name = f"dropless.backfill.{self._topic}"
        self._consumer = Consumer(durability.positioned_consumer(self._endpoints, name, name))
        self._consumer.assign([TopicPartition(*place, end) for place, end in ends.items()])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave."""
        if self._consumer:
            self._consumer.close()

    def poll(self, seconds: float) -> list[Seen]:
        """What has come meanwhile; empty while brokers are away, which the client tells and mends itself.

        Raises:
            KafkaException: records are gone, or the client has failed for good.
        """
        found: list[Seen] = []
        for message in self._consumer.consume(_BATCH, seconds) if self._consumer else []:
            error = message.error()
            if error is not None:
                if error.fatal() or error.code() == POSITION_GONE:
                    raise KafkaException(error)
            elif record := seen(message.value(), headers(message)):
                found.append(record)
        return found
