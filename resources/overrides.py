"""Settings of brokers and topics that somebody overrode against the durability table, and taking them back."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    ResourceType,
)

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.invariants import holds
from resources.kafka_answers import result, sentence

REQUEST_SECONDS = 5
FLUSHING = {"flush.messages": str(durability.FLUSH_MESSAGES), "flush.ms": str(durability.FLUSH_MS)}
# Whose settings are nobody's but Kafka's and Connect's own.
INTERNAL = ("__consumer_offsets", "__transaction_state", "connect.configs", "connect.offsets", "connect.status")


@dataclass(frozen=True)
class Override:
    """A setting that a broker or topic was given while running, and that the table does not allow."""

    kind: ResourceType
    name: str
    setting: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind.name.lower()} {self.name}: {self.setting}={self.value}"


class Overrides:
    """Looks at what was set while the cluster runs; what configuration files say is not touched."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(
            durability.admin_client(self._endpoints, "dropless.repair"), logger=logging.getLogger(__name__)
        )

    def find(self, topics: Collection[str]) -> list[Override]:
        """Those of these topics, of Kafka's own topics, and of every broker.

        Raises:
            Unreachable: Kafka does not answer.
        """
        try:
            metadata = self._admin.list_topics(timeout=REQUEST_SECONDS)
        except KafkaException as error:
            raise sentence(error, "name its topics") from None
        wanted = [name for name in (*topics, *INTERNAL) if name in metadata.topics]
        found = list(self._of(ResourceType.TOPIC, wanted, durability.topic() | FLUSHING))
        for number in sorted(metadata.brokers):
            found += self._of(ResourceType.BROKER, [str(number)], durability.broker())
        return found

    def undo(self, override: Override) -> None:
        """Remove the override, so that what the configuration says holds again.

        Raises:
            DroplessError: Kafka refused.
        """
        entry = ConfigEntry(override.setting, None, incremental_operation=AlterConfigOpType.DELETE)
        target = ConfigResource(override.kind, override.name, incremental_configs=[entry])
        future = self._admin.incremental_alter_configs([target], request_timeout=REQUEST_SECONDS)[target]
        result(future, f"take back {override}")

    def _of(self, kind: ResourceType, names: Collection[str], required: dict[str, str]) -> Iterator[Override]:
        if not names:
            return
        own = ConfigSource.DYNAMIC_TOPIC_CONFIG if kind == ResourceType.TOPIC else ConfigSource.DYNAMIC_BROKER_CONFIG
        targets = [ConfigResource(kind, name) for name in names]
        futures = self._admin.describe_configs(targets, request_timeout=REQUEST_SECONDS)
        for target, future in futures.items():
            entries = result(future, f"tell the configuration of {target.name!r}")
            for setting, value in required.items():
                entry = entries.get(setting)
                if entry and entry.source == own.value and not holds(setting, value, entry.value):
                    yield Override(kind, target.name, setting, entry.value)
