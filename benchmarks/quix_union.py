"""The same union in Quix Streams, exactly-once; it runs in an environment of its own, which has no Dropless installed.

The mapping is Dropless's own, so that what differs is the framework. Client settings are Dropless's too,
but for those that Quix Streams sets itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from quixstreams import Application, message_context
from quixstreams.models import SerializationContext
from quixstreams.models.serializers import Serializer

from dropless import durability, names
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from dropless.union.mapping import compile_mapping
from dropless.union.outcome import Mapper, Row

_ITS_OWN: Final = frozenset(
    {"bootstrap.servers", "group.id", "group.instance.id", "auto.offset.reset", "enable.auto.commit",
     "enable.auto.offset.store", "enable.partition.eof", "partition.assignment.strategy", "isolation.level"}
)  # fmt: skip


class Rows(Serializer):  # type: ignore[misc]
    """A row's value as it is."""

    def __call__(self, value: Any, ctx: SerializationContext) -> bytes:  # noqa: ARG002 - its interface
        """The bytes."""
        return bytes(value.value)


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--commit-every", type=int, required=True)
    parser.add_argument("--commit-seconds", type=float, required=True)
    arguments = parser.parse_args()
    settings = Settings.load()
    contract, endpoints = declared(settings, arguments.table), Endpoints.local(settings)
    group = names.union_group(contract.name)
    app = Application(
        broker_address=endpoints.kafka,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_every=arguments.commit_every,
        commit_interval=arguments.commit_seconds,
        consumer_extra_config=_allowed(durability.union_consumer(endpoints, group, group)),
        producer_extra_config=_allowed(durability.transactional_producer(endpoints, f"quix.{group}")),
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=arguments.state,
        loglevel="WARNING",
    )
    unified = app.topic(names.unified_topic(contract.name), key_serializer="bytes", value_serializer=Rows())
    for source in contract.sources:
        raw = names.raw_topic(contract.name, source.name)
        topic = app.topic(raw, key_deserializer="bytes", value_deserializer="bytes")
        rows = app.dataframe(topic).apply(_mapping(compile_mapping(contract, source.name)), metadata=True)
        rows.filter(_is_row).to_topic(unified, key=_key)
    app.run()


def _mapping(mapper: Mapper) -> Callable[[bytes | None, bytes, int, Any], Any]:
    def mapped(value: bytes | None, key: bytes, _timestamp: int, _headers: Any) -> Any:
        context = message_context()
        return mapper(key, value, context.partition, context.offset)

    return mapped


def _is_row(outcome: Any) -> bool:
    if outcome is None:
        return False
    if not isinstance(outcome, Row):
        raise TypeError(f"The input is meant to be without dead letters: {outcome}")
    return True


def _key(row: Row) -> bytes:
    return row.key


def _allowed(config: durability.ClientConfig) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in _ITS_OWN} | {"statistics.interval.ms": 0}


if __name__ == "__main__":
    main()
