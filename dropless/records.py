"""What confluent-kafka leaves loose: a consumed record's origin, and its event codes by name."""

from __future__ import annotations

from typing import Final, cast

from confluent_kafka import KafkaError, Message

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""

END_OF_PARTITION: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - the library's public codes look private
FATAL: Final = KafkaError._FATAL  # noqa: SLF001
REPLAYED: Final = "replayed"
"""The header of a unified row that came out of a dead letter."""
REASON: Final = "reason"
"""The header that says why a record was written: of a dead letter, and of a deletion by a repair."""
FENCED: Final = KafkaError._FENCED  # noqa: SLF001
POSITION_GONE: Final = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001


def origin(message: Message) -> tuple[str, int, int]:
    """Topic, partition and offset of a consumed record or partition event, which always has them."""
    return cast("tuple[str, int, int]", (message.topic(), message.partition(), message.offset()))


def headers(message: Message) -> dict[str, str]:
    """A record's headers as text; of several with one name the last."""
    found = dict(message.headers() or [])
    return {
        name: value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        for name, value in found.items()
    }
