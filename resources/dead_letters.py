"""How many records of a table could not be mapped."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass

from confluent_kafka import KafkaException, Message

from dropless import dead_letters as letters
from dropless import names
from dropless.endpoints import Endpoints
from dropless.errors import NotReady, Unreachable
from resources.cluster import ClusterView
from resources.committed import CommittedReader

# Counting reads the topic, since commit markers occupy offsets too.
COUNT_SECONDS = 4.0


@dataclass(frozen=True)
class DeadLetters:
    """The dead letters of a table; `counted` is False when there are more than could be counted in time."""

    count: int
    counted: bool
    newest_reason: str | None


def dead_letters(endpoints: Endpoints, table: str) -> DeadLetters:
    """Count a table's dead letters; none while its dead-letter topic does not exist.

    Raises:
        Unreachable: Kafka does not answer.
    """
    view = ClusterView(endpoints)
    partitions = view.partitions([names.dead_topic(table)])
    starts, ends = view.starts(partitions), view.ends(partitions)
    reader = CommittedReader(endpoints, "dropless.dead_letters", silence_seconds=COUNT_SECONDS)
    ranges = {each: (starts[each], ends[each]) for each in partitions}
    count, newest, deadline = 0, None, time.monotonic() + COUNT_SECONDS
    with closing(reader.read(ranges)) as letters:
        try:
            for letter in letters:
                count += 1
                newest = max(newest or letter, letter, key=lambda each: each.timestamp()[1])
                if time.monotonic() > deadline:
                    return DeadLetters(count, counted=False, newest_reason=_reason(newest))
        except NotReady:
            return DeadLetters(count, counted=False, newest_reason=_reason(newest))
        except KafkaException as error:
            raise Unreachable(f"The dead letters cannot be read: {error.args[0].str()}.") from None
    return DeadLetters(count, counted=True, newest_reason=_reason(newest))


def _reason(message: Message | None) -> str | None:
    letter = letters.read(message) if message else None
    return letter.reason if letter else None
