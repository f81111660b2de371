"""Settings of running brokers and topics, changed and taken back as somebody by hand would."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType


def set_config(kafka: AdminClient, kind: ResourceType, name: str, setting: str, value: str | None) -> None:
    operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    entry = ConfigEntry(setting, value, incremental_operation=operation)
    target = ConfigResource(kind, name, incremental_configs=[entry])
    kafka.incremental_alter_configs([target])[target].result(10)
