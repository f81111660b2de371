"""What consumer groups have committed, asked by a client that survives every answer.

librdkafka's AdminClient dies of a null pointer when a group's coordinator has just moved, and takes the process with
it: the answer NOT_COORDINATOR is handed to a consumer group that an AdminClient does not have
(confluent-kafka-javascript#374). kafka-python asks for all groups of a coordinator at once, too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from dropless.lag import Position

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

# For asking again; a request itself has a time-out of about as much.
ANSWER_SECONDS = 2.5
SETTLE_SECONDS = 0.2


class GroupOffsets:
    """Asks again and again over one connection; constructing it connects nothing."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._lock = threading.Lock()
        self._client: KafkaAdminClient | None = None

    def committed(self, groups: Sequence[str]) -> dict[str, dict[Position, int]]:
        """Each group's offsets, pending transactions left out: asking for those can hang on a dead process.

        Raises:
            Unreachable: Kafka does not answer within seconds.
            DroplessError: it refuses.
        """
        # kafka-python makes every command start later.
        from kafka.errors import KafkaError  # noqa: PLC0415

        if not groups:
            return {}
        deadline = time.monotonic() + ANSWER_SECONDS
        with self._lock:
            while True:
                try:
                    answer = self._connected().list_group_offsets(dict.fromkeys(groups))
                except KafkaError as error:
                    if not error.retriable:
                        raise DroplessError(f"Kafka refused to tell the offsets of groups: {error}.") from None
                    if self._client is None or time.monotonic() > deadline:
                        self._end()
                        raise Unreachable(f"Kafka does not tell the offsets of groups: {error}.") from None
                    # A coordinator has moved, or loads its groups.
                    time.sleep(SETTLE_SECONDS)
                else:
                    return {
                        group: {
                            (place.topic, place.partition): at.offset for place, at in found.items() if at.offset >= 0
                        }
                        for group, found in answer.items()
                    }

    def _connected(self) -> KafkaAdminClient:
        from kafka import KafkaAdminClient  # noqa: PLC0415

        if self._client is None:
            # What fails is raised; it would also be logged with every attempt.
            logging.getLogger("kafka").setLevel(logging.CRITICAL)
            self._client = KafkaAdminClient(**durability.group_client(self._endpoints))
        return self._client

    def _end(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None
