"""Kafka topics: created replicated, configured incrementally, never shrunk."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    ResourceType,
    TopicDescription,
)

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable, Unsafe
from dropless.plan import Action, Change, PropertyChange, Resource
from resources.managed import managed
from resources.waiting import until

T = TypeVar("T")

REQUEST_SECONDS = 10
_AWAY = {
    KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's own error codes are spelled with an underscore
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError.REQUEST_TIMED_OUT,
}


class Topics:
    """Topics of the Kafka cluster.

    A topic holds what it was created with: partitions can be added only where the hint `keyed` is
    False, since adding one sends a key's later records to another partition, out of order.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    @cached_property
    def _admin(self) -> AdminClient:
        # Without a logger librdkafka writes every refused connection to stderr; the answers say it once.
        return AdminClient(durability.admin_client(self._endpoints), logger=logging.getLogger(__name__))

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """Partitions, the smallest replica count of any partition, and the overrides that desired names."""
        described = self._describe([resource.name for resource in desired])
        overrides = self._overrides(list(described))
        found = {}
        for resource in desired:
            topic = described.get(resource.name)
            if topic and resource.name in overrides:
                properties = {
                    "partitions": len(topic.partitions),
                    "replication_factor": min(len(partition.replicas) for partition in topic.partitions),
                    "config": overrides[resource.name],
                }
                found[resource.id] = Resource(
                    resource.system, resource.kind, resource.name, managed(resource.properties, properties)
                )
        return found

    def check(self, change: Change) -> None:
        """Refuse what would lose data or order."""
        if change.action is Action.CREATE:
            return
        for each in change.properties:
            if reason := refusal(change.desired, each):
                raise Unsafe(reason)

    def apply(self, change: Change) -> None:
        """Create the topic, or set its overrides and add partitions."""
        self.check(change)
        topic = change.desired
        if change.action is Action.CREATE:
            self._create(topic)
            return
        overrides = [each for each in change.properties if each.path.startswith("config/")]
        if overrides:
            entries = [
                ConfigEntry(each.path.removeprefix("config/"), each.after, incremental_operation=AlterConfigOpType.SET)
                for each in overrides
            ]
            target = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=entries)
            future = self._admin.incremental_alter_configs([target], request_timeout=REQUEST_SECONDS)[target]
            result(future, f"configure topic {topic.name!r}")
        if any(each.path == "partitions" for each in change.properties):
            partitions = [NewPartitions(topic.name, topic.properties["partitions"])]
            future = self._admin.create_partitions(partitions, request_timeout=REQUEST_SECONDS)[topic.name]
            result(future, f"add partitions to topic {topic.name!r}")

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until every partition has a leader and all of its replicas are in sync."""
        wanted = {resource.name: resource.properties["partitions"] for resource in desired}

        def missing() -> str | None:
            described = self._describe(list(wanted))
            for name, partitions in wanted.items():
                topic = described.get(name)
                if topic is None or len(topic.partitions) < partitions:
                    return f"topic {name!r} is not known to every broker yet."
                if reason := _unready(topic):
                    return reason
            return None

        if wanted:
            until("Kafka", missing, timeout_seconds)

    def _create(self, topic: Resource) -> None:
        config = dict(topic.properties.get("config", {}))
        fresh = NewTopic(
            topic.name,
            num_partitions=topic.properties["partitions"],
            replication_factor=topic.properties["replication_factor"],
            config=config,
        )
        futures = self._admin.create_topics([fresh], operation_timeout=REQUEST_SECONDS, request_timeout=REQUEST_SECONDS)
        try:
            futures[topic.name].result()
        except KafkaException as error:
            # Another run was faster: what it made is compared again at the end of the provisioning.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise _sentence(error, f"create topic {topic.name!r}") from None

    def _describe(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        if not names:
            return {}
        futures = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=REQUEST_SECONDS)
        described: dict[str, TopicDescription] = {}
        for name, future in futures.items():
            try:
                described[name] = future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise _sentence(error, f"describe topic {name!r}") from None
        return described

    def _overrides(self, names: Sequence[str]) -> dict[str, Mapping[str, str | None]]:
        if not names:
            return {}
        targets = {ConfigResource(ResourceType.TOPIC, name): name for name in names}
        futures = self._admin.describe_configs(list(targets), request_timeout=REQUEST_SECONDS)
        overrides: dict[str, Mapping[str, str | None]] = {}
        for target, future in futures.items():
            try:
                entries = future.result()
            except KafkaException as error:
                # Just deleted, and not every broker knew it when the topic was described.
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise _sentence(error, f"tell the configuration of topic {targets[target]!r}") from None
            # Only a topic's own overrides: a broker's default can change without the topic noticing.
            overrides[targets[target]] = {
                entry.name: entry.value
                for entry in entries.values()
                if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
            }
        return overrides


def refusal(topic: Resource, change: PropertyChange) -> str | None:
    """Why a topic's property must not be changed by itself, or None."""
    if change.path == "partitions" and change.before > change.after:
        return (
            f"Topic {topic.name!r} has {change.before} partitions and should have {change.after}: "
            "removing partitions would lose their records; declare the number that exists."
        )
    if change.path == "partitions" and topic.hints.get("keyed", True):
        return (
            f"Topic {topic.name!r} has {change.before} partitions and should have {change.after}: another number "
            "would put a key's later records into another partition, out of order; declare the number that exists."
        )
    if change.path == "replication_factor":
        return (
            f"Topic {topic.name!r} has {change.before} replicas and should have {change.after}: "
            "this needs a reassignment of its partitions, which is not done here; use kafka-reassign-partitions."
        )
    return None


def _unready(topic: TopicDescription) -> str | None:
    for partition in topic.partitions:
        if partition.leader is None or partition.leader.id < 0:
            return f"partition {partition.id} of topic {topic.name!r} has no leader."
        if len(partition.isr) < len(partition.replicas):
            return (
                f"partition {partition.id} of topic {topic.name!r} has {len(partition.isr)} of "
                f"{len(partition.replicas)} replicas in sync."
            )
    return None


def result(future: Future[Any], doing: str) -> Any:
    """An AdminClient's answer; `doing` completes the sentence "Kafka refused to ...".

    Raises:
        Unreachable: Kafka does not answer.
        DroplessError: any other refusal, with Kafka's own words.
    """
    try:
        return future.result()
    except KafkaException as error:
        raise _sentence(error, doing) from None


def _sentence(error: KafkaException, doing: str) -> DroplessError:
    reason: KafkaError = error.args[0]
    if reason.code() in _AWAY:
        return Unreachable(f"Kafka did not answer when asked to {doing}: {reason.str()}.")
    return DroplessError(f"Kafka refused to {doing}: {reason.str()}")
