"""What Kafka can be asked and told about topics, each request bounded in time."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property

from confluent_kafka import ElectionType, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
    TopicDescription,
)

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.group_admin import GroupAdmin
from dropless.placement import Placement
from dropless.plan import Json, Resource
from resources.kafka_answers import REQUEST_SECONDS, result, sentence
from resources.waiting import patiently, until

MOVE_BYTES_PER_SECOND = 50_000_000
"""What a broker may spend on moving replicas, if nobody says otherwise; all else keeps the rest of the network."""
THROTTLED = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")
GONE_SECONDS = 30.0
GROUP_SECONDS = 20.0
"""A static member that stopped stays in its group until its session is over."""

Overrides = Mapping[str, str | None]


class TopicAdmin:
    """The cluster's topics; constructing it connects nothing.

    Every method raises `Unreachable` when no broker answers, and a `DroplessError` with Kafka's own words
    when it refuses.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    @cached_property
    def client(self) -> AdminClient:
        """The client itself."""
        # Without a logger librdkafka writes every refused connection to stderr; the answers say it once.
        return AdminClient(durability.admin_client(self._endpoints), logger=logging.getLogger(__name__))

    def brokers(self) -> list[int]:
        """The brokers that run, by number."""
        cluster = result(self.client.describe_cluster(request_timeout=REQUEST_SECONDS), "name its brokers")
        return sorted(node.id for node in cluster.nodes)

    def describe(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        """Those of the topics that exist."""
        if not names:
            return {}
        futures = self.client.describe_topics(TopicCollection(list(names)), request_timeout=REQUEST_SECONDS)
        described: dict[str, TopicDescription] = {}
        for name, future in futures.items():
            try:
                described[name] = future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise sentence(error, f"describe topic {name!r}") from None
        return described

    def ids(self, names: Sequence[str]) -> dict[str, str]:
        """The id of each topic that exists: one that was made anew has another."""
        return {name: str(topic.topic_id) for name, topic in self.describe(names).items()}

    def overrides(self, names: Sequence[str]) -> dict[str, Overrides]:
        """Each topic's own settings, without the brokers' defaults."""
        if not names:
            return {}
        targets = {ConfigResource(ResourceType.TOPIC, name): name for name in names}
        futures = self.client.describe_configs(list(targets), request_timeout=REQUEST_SECONDS)
        overrides: dict[str, Overrides] = {}
        for target, future in futures.items():
            try:
                entries = future.result()
            except KafkaException as error:
                # Just deleted, and not every broker knew it when the topic was described.
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise sentence(error, f"tell the configuration of topic {targets[target]!r}") from None
            # Only a topic's own overrides: a broker's default can change without the topic noticing.
            overrides[targets[target]] = {
                entry.name: entry.value
                for entry in entries.values()
                if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
            }
        return overrides

    def ends(self, name: str, partitions: Sequence[int]) -> dict[int, int]:
        """The next offset of each partition, open transactions included."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(name, number): latest for number in partitions}

        def ask() -> dict[int, int]:
            futures = self.client.list_offsets(asked, request_timeout=REQUEST_SECONDS)
            return {
                place.partition: result(future, f"tell where topic {name!r} ends").offset
                for place, future in futures.items()
            }

        # The leaders of partitions that were just made are still being told so.
        return patiently(ask, REQUEST_SECONDS)

    def records(self, name: str) -> int:
        """About how many records were ever written to a topic; 0 for one that is not there."""
        topic = self.describe([name]).get(name)
        return sum(self.ends(name, [each.id for each in topic.partitions]).values()) if topic else 0

    def create(self, topic: Resource) -> None:
        """Create a topic that must not be asked about; one that is there already is fine."""
        fresh = NewTopic(
            topic.name,
            num_partitions=topic.properties["partitions"],
            replication_factor=topic.properties["replication_factor"],
            config=dict(topic.properties.get("config", {})),
        )
        futures = self.client.create_topics([fresh], operation_timeout=REQUEST_SECONDS, request_timeout=REQUEST_SECONDS)
        try:
            futures[topic.name].result()
        except KafkaException as error:
            # Another run was faster: what it made is compared again at the end of the provisioning.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise sentence(error, f"create topic {topic.name!r}") from None

    def delete(self, name: str) -> None:
        """Delete a topic and wait until no broker knows it; one that is gone is fine."""
        try:
            self.client.delete_topics([name], operation_timeout=REQUEST_SECONDS)[name].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise sentence(error, f"delete topic {name!r}") from None
        until("Kafka", lambda: f"topic {name!r} is still there." if self.describe([name]) else None, GONE_SECONDS)

    def override(self, name: str, values: Mapping[str, Json]) -> None:
        """Set some of a topic's own settings, and leave the others."""
        entries = [
            ConfigEntry(each, value, incremental_operation=AlterConfigOpType.SET) for each, value in values.items()
        ]
        target = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        future = self.client.incremental_alter_configs([target], request_timeout=REQUEST_SECONDS)[target]
        result(future, f"configure topic {name!r}")

    def add_partitions(self, name: str, placed: Placement, fresh: list[list[int]]) -> None:
        """Add partitions to those that are there, each on its brokers."""
        partitions = [NewPartitions(name, len(placed) + len(fresh), fresh)]
        future = self.client.create_partitions(partitions, request_timeout=REQUEST_SECONDS)[name]
        result(future, f"add partitions to topic {name!r}")

    def elect_preferred(self, name: str, partitions: Sequence[int]) -> None:
        """Make the first replica of each partition its leader."""
        places = [TopicPartition(name, number) for number in partitions]
        # confluent-kafka 2.16.1 fails on any time-out given here; the client's own is ten seconds.
        future = self.client.elect_leaders(ElectionType.PREFERRED, places)
        for place, error in result(future, f"elect the leaders of topic {name!r}").items():
            if error is not None and error.code() != KafkaError.ELECTION_NOT_NEEDED:
                raise DroplessError(f"Kafka could not elect a leader of {name}[{place.partition}]: {error.str()}")

    def await_empty(self, group: str, remedy: str) -> None:
        """Wait until nobody is in a consumer group.

        Raises:
            DroplessError: somebody stays; `remedy` says what to do.
        """
        admin = GroupAdmin(self._endpoints)

        def members() -> str | None:
            count = len(admin.members([group])[group].members)
            return f"{count} consumers are in group {group!r}: {remedy}" if count else None

        until("Kafka", members, GROUP_SECONDS)

    def forget(self, group: str) -> None:
        """Delete an empty group with its offsets; one that is not there is fine."""
        try:
            self.client.delete_consumer_groups([group], request_timeout=REQUEST_SECONDS)[group].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise sentence(error, f"delete group {group!r}") from None
