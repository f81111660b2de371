"""Moving a topic's replicas to other brokers: throttled, with progress, and with nothing left behind.

librdkafka cannot ask for a reassignment, so that alone goes through kafka-python.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, NotReady, Unreachable
from dropless.placement import Placement
from resources.adapter import Progress
from resources.kafka_answers import REQUEST_SECONDS, result
from resources.topic_admin import THROTTLED

STILL_SECONDS = 120.0
LOOK_SECONDS = 0.5
_RATES = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")


class Reassignment:
    """One topic's partitions on their way to other brokers."""

    def __init__(self, endpoints: Endpoints, admin: AdminClient, bytes_per_second: int) -> None:
        self._endpoints = endpoints
        self._admin = admin
        self._rate = bytes_per_second

    def move(self, topic: str, before: Placement, target: Mapping[int, Sequence[int]], progress: Progress) -> None:
        """Move partitions to their target brokers and wait until all are there.

        Interrupted or failed, it is called off: the partitions stay as they were. The throttle is gone afterwards
        in any case.

        Raises:
            NotReady: the new replicas came no nearer for two minutes.
            DroplessError: Kafka refused.
            Unreachable: no broker answers.
        """
        with self._client() as client, self._throttled(topic, before, target):
            wanted = {TopicPartition(topic, number): list(replicas) for number, replicas in target.items()}
            refused = {place: error for place, error in client.alter_partition_reassignments(wanted).items() if error}
            if refused:
                place, error = next(iter(refused.items()))
                raise DroplessError(f"Kafka refused to move {place.topic}[{place.partition}]: {error.__name__}.")
            try:
                self._follow(client, topic, wanted, progress)
            except BaseException:
                # Also on Ctrl-C: without its throttle the rest would be copied at full speed.
                client.alter_partition_reassignments(dict.fromkeys(client.list_partition_reassignments(list(wanted))))
                raise

    def _follow(
        self, client: KafkaAdminClient, topic: str, wanted: Mapping[TopicPartition, list[int]], progress: Progress
    ) -> None:
        moved, least = time.monotonic(), None
        while ongoing := client.list_partition_reassignments(list(wanted)):
            left = _bytes_left(
                client, topic, {place.partition: each["adding_replicas"] for place, each in ongoing.items()}
            )
            progress(f"moving {topic}: {len(ongoing)} of {len(wanted)} partitions, {left / 1e6:,.1f} MB left")
            if least is None or (len(ongoing), left) < least:
                moved, least = time.monotonic(), (len(ongoing), left)
            elif time.monotonic() - moved > STILL_SECONDS:
                raise NotReady(
                    f"The new replicas of topic {topic!r} came no nearer for {STILL_SECONDS:.0f} s "
                    f"({left / 1e6:,.1f} MB were left), so the move was called off: see whether a broker is down, or "
                    "allow more than is written to the topic with --move-rate."
                )
            time.sleep(LOOK_SECONDS)

    @contextmanager
    def _throttled(self, topic: str, before: Placement, target: Mapping[int, Sequence[int]]) -> Iterator[None]:
        brokers = sorted({broker for number in target for broker in (*before[number], *target[number])})
        rates = dict.fromkeys(_RATES, str(self._rate))
        sources = [f"{number}:{broker}" for number in target for broker in before[number]]
        copies = [f"{number}:{each}" for number in target for each in target[number] if each not in before[number]]
        replicas = dict(zip(THROTTLED, (",".join(sources), ",".join(copies)), strict=True))
        with ExitStack() as removed_afterwards:
            for broker in brokers:
                removed_afterwards.callback(self._configure, ResourceType.BROKER, str(broker), dict.fromkeys(_RATES))
                self._configure(ResourceType.BROKER, str(broker), rates)
            removed_afterwards.callback(self._configure, ResourceType.TOPIC, topic, dict.fromkeys(THROTTLED))
            self._configure(ResourceType.TOPIC, topic, {name: value for name, value in replicas.items() if value})
            yield

    def _configure(self, kind: ResourceType, name: str, values: Mapping[str, str | None]) -> None:
        entries = [
            ConfigEntry(
                each,
                value or "",
                incremental_operation=AlterConfigOpType.SET if value else AlterConfigOpType.DELETE,
            )
            for each, value in values.items()
        ]
        resource = ConfigResource(kind, name, incremental_configs=entries)
        futures = self._admin.incremental_alter_configs([resource], request_timeout=REQUEST_SECONDS)
        result(futures[resource], f"set the throttle of {kind.name.lower()} {name}")

    @contextmanager
    def _client(self) -> Iterator[KafkaAdminClient]:
        try:
            client = KafkaAdminClient(**durability.reassignment_client(self._endpoints))
            try:
                yield client
            finally:
                client.close()
        except KafkaError as error:
            raise Unreachable(f"Kafka did not answer while replicas were moved: {error}.") from None


def _bytes_left(client: KafkaAdminClient, topic: str, adding: Mapping[int, Sequence[int]]) -> int:
    """How much the new replicas lack: what the fullest replica has more than they."""
    sizes: dict[int, dict[int, int]] = {number: {} for number in adding}
    for broker in client.describe_log_dirs({topic: list(adding)}):
        for directory in broker["log_dirs"]:
            for found in directory["topics"]:
                for each in found["partitions"]:
                    sizes[each["partition_index"]][broker["broker"]] = each["partition_size"]
    return sum(
        max(0, max(sizes[number].values(), default=0) - sizes[number].get(broker, 0))
        for number, brokers in adding.items()
        for broker in brokers
    )
