"""Consumer groups: who is in them and what they have committed, asked by a client that survives every answer.

librdkafka's AdminClient takes its process with it when a group's coordinator moves or a broker goes away meanwhile:
the answer NOT_COORDINATOR is handed to a consumer group that it does not have (confluent-kafka-javascript#374), and an
answer that comes too late is given back twice (librdkafka#4605). kafka-python asks for all groups of a coordinator at
once, too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from dropless.lag import Position

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

Answer = TypeVar("Answer")

# For asking again; a request itself has a time-out of about as much.
ANSWER_SECONDS: Final = 2.5
SETTLE_SECONDS: Final = 0.2
STABLE: Final = "Stable"
# Kafka Connect's workers are a group, too, of a protocol of their own.
CONSUMERS: Final = ("consumer", "")
_UNKNOWN: Final = "GroupIdNotFoundError"


@dataclass(frozen=True)
class Member:
    """A member of a consumer group; `instance` is what a static one is called, None of another."""

    id: str
    instance: str | None
    client_id: str
    partitions: frozenset[Position]


@dataclass(frozen=True)
class Membership:
    """A consumer group as its coordinator has it; nobody is in one that does not exist."""

    state: str
    members: tuple[Member, ...]


class GroupAdmin:
    """Asks again and again over one connection; constructing it connects nothing.

    Every method raises `Unreachable` when Kafka does not answer within seconds, and `DroplessError` when it refuses.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._lock = threading.Lock()
        self._client: KafkaAdminClient | None = None

    def names(self) -> list[str]:
        """Every consumer group; a broker that does not answer may have groups that nobody else knows of."""

        def ask(client: KafkaAdminClient) -> list[str]:
            listed = client.list_groups()
            return sorted(each["group_id"] for each in listed if each["protocol_type"] in CONSUMERS)

        return self._ask("list its consumer groups", ask)

    def members(self, groups: Sequence[str]) -> dict[str, Membership]:
        """Who is in each of these consumer groups."""

        def ask(client: KafkaAdminClient) -> dict[str, Membership]:
            return {name: _membership(told) for name, told in client.describe_groups(list(groups)).items()}

        return self._ask("tell who is in groups", ask) if groups else {}

    def committed(self, groups: Sequence[str]) -> dict[str, dict[Position, int]]:
        """Each group's offsets, pending transactions left out: asking for those can hang on a dead process."""

        def ask(client: KafkaAdminClient) -> dict[str, dict[Position, int]]:
            return {
                group: {(place.topic, place.partition): at.offset for place, at in found.items() if at.offset >= 0}
                for group, found in client.list_group_offsets(dict.fromkeys(groups)).items()
            }

        return self._ask("tell the offsets of groups", ask) if groups else {}

    def notes(self, group: str) -> dict[Position, str]:
        """What was noted with a group's offsets, where something was."""

        def ask(client: KafkaAdminClient) -> dict[Position, str]:
            found = client.list_group_offsets({group: None})[group]
            return {(place.topic, place.partition): str(at.metadata) for place, at in found.items() if at.metadata}

        return self._ask("tell what was noted with a group's offsets", ask)

    def commit(self, group: str, offsets: Mapping[Position, int], note: str = "") -> dict[Position, str]:
        """Commit these offsets for a group of which nobody is a member; what was refused, and why.

        The note stays until somebody else commits.
        """
        # kafka-python makes every command start later.
        from kafka import TopicPartition  # noqa: PLC0415
        from kafka.errors import NoError, UnknownTopicOrPartitionError  # noqa: PLC0415
        from kafka.structs import OffsetAndMetadata  # noqa: PLC0415

        wanted = {TopicPartition(*place): OffsetAndMetadata(offset, note, -1) for place, offset in offsets.items()}

        def ask(client: KafkaAdminClient) -> dict[Position, str]:
            answered = client.alter_group_offsets(group, wanted)
            refused = {place: error for place, error in answered.items() if error is not NoError}
            if UnknownTopicOrPartitionError in refused.values():
                # The coordinator is still being told of a topic that was just made.
                raise UnknownTopicOrPartitionError("a topic is not known yet")
            return {(place.topic, place.partition): error.__name__ for place, error in refused.items()}

        return self._ask("set the offsets of a group", ask)

    def _ask(self, doing: str, ask: Callable[[KafkaAdminClient], Answer]) -> Answer:
        # kafka-python makes every command start later.
        from kafka.errors import KafkaError  # noqa: PLC0415

        deadline = time.monotonic() + ANSWER_SECONDS
        with self._lock:
            while True:
                try:
                    return ask(self._connected())
                except KafkaError as error:
                    if not error.retriable:
                        raise DroplessError(f"Kafka refused to {doing}: {error}.") from None
                    if self._client is None or time.monotonic() > deadline:
                        self._end()
                        raise Unreachable(f"Kafka does not {doing}: {error}.") from None
                    # A coordinator has moved, or loads its groups.
                    time.sleep(SETTLE_SECONDS)

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


def _membership(told: Mapping[str, Any]) -> Membership:
    from kafka.errors import CoordinatorNotAvailableError  # noqa: PLC0415

    error = str(told["error"] or "")
    if error and _UNKNOWN not in error:
        # kafka-python tells it and raises nothing; the coordinator moves, or loads its groups.
        raise CoordinatorNotAvailableError(error)
    return Membership(told["group_state"], tuple(_member(each) for each in told["members"]))


def _member(told: Mapping[str, Any]) -> Member:
    # A member that has been given nothing yet has no assignment, which is an empty text then.
    shares = told["member_assignment"]["assigned_partitions"] if told["member_assignment"] else []
    partitions = frozenset((share["topic"], number) for share in shares for number in share["partitions"])
    return Member(told["member_id"], told["group_instance_id"], told["client_id"], partitions)
