"""Tells a row that compaction removed from one that was never written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import orjson
from confluent_kafka import Message

from dropless import names
from dropless.contract import Contract
from dropless.records import Partition, origin
from dropless.union.compaction import Superseded
from dropless.union.envelope import Malformed, key_reader
from resources.cluster import ClusterView
from resources.committed import CommittedReader


class Compaction:
    """The records of one audit that may have been compacted away: old enough, with a key.

    Until its topic's `min.compaction.lag.ms` is over a row cannot be removed, so a younger record
    without a row is lost, whatever came after it.
    """

    def __init__(self, view: ClusterView, contract: Contract) -> None:
        self._view = view
        self._topic = names.unified_topic(contract.name)
        self._keys = {names.raw_topic(contract.name, each.name): key_reader(each) for each in contract.sources}
        self._superseded = Superseded()
        lag = view.topic_config(self._topic).get("min.compaction.lag.ms", "0")
        self._newest_ms = time.time() * 1000 - int(lag)

    def question(self, message: Message) -> None:
        """A raw record has no row."""
        topic, partition, offset = origin(message)
        if message.timestamp()[1] > self._newest_ms:
            return
        try:
            key = self._keys[topic](message.key())
        except Malformed:
            # It can only have become a dead letter, and those stay.
            return
        self._superseded.question((topic, partition), offset, key.encode())

    def removed(self, reader: CommittedReader) -> Iterator[tuple[Partition, int]]:
        """The raw records of which a newer version of the key is there; reads the unified topic if there is a question.

        Up to its present end: what removed a row may be newer than the audit.
        """
        if not self._superseded:
            return
        partitions = self._view.partitions([self._topic])
        starts, ends = self._view.starts(partitions), self._view.ends(partitions)
        rows = reader.read({place: (starts[place], ends[place]) for place in partitions})
        yield from self._superseded.resolve((row.key() or b"", _raw_offset(row)) for row in rows)


def _raw_offset(row: Message) -> Callable[[], int]:
    return lambda: int(orjson.loads(row.value() or b"{}").get("_offset", -1))
