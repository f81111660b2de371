"""Rows gathered for one commit of the lake, already as Arrow, with the positions they end at."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from confluent_kafka import Message

from dropless.errors import DroplessError
from dropless.lake.schema import parse
from dropless.records import origin


@dataclass
class Buffer:
    """What was read since the last commit; memory is bounded by `due`, asked after every poll."""

    schema: pa.Schema
    seconds: float
    limit: int
    chunks: list[pa.Table] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0
    since: float | None = None

    def add(self, messages: Sequence[Message], positions: Mapping[int, int]) -> None:
        """Take records of one topic, in their order; those below their partition's position are stale.

        Raises:
            DroplessError: a row does not fit the columns; the sentence says which row, not what is in it.
        """
        values: list[bytes] = []
        taken: list[Message] = []
        for message in messages:
            _, partition, offset = origin(message)
            if offset < self.positions.get(partition, positions.get(partition, 0)):
                continue
            self.positions[partition] = offset + 1
            # The union writes no tombstones, but somebody may have written one by hand.
            if (value := message.value()) is not None:
                values.append(value)
                taken.append(message)
        if values:
            try:
                self.chunks.append(parse(values, self.schema))
            except pa.ArrowInvalid:
                raise self._unfit(taken) from None
            self.rows += len(values)
            self.bytes += sum(map(len, values))
            self.since = self.since or time.monotonic()

    def _unfit(self, messages: Sequence[Message]) -> DroplessError:
        for message in messages:
            try:
                parse([message.value() or b""], self.schema)
            except pa.ArrowInvalid:
                topic, partition, offset = origin(message)
                break
        return DroplessError(
            f"The row at {topic} [{partition}] offset {offset} does not fit the contract's columns: it was written "
            "under another contract. See `dropless plan`: a column's type can only become wider."
        )

    @property
    def wait(self) -> float:
        """Seconds until a commit is due by time; the whole interval when nothing is gathered."""
        return self.seconds if self.since is None else max(0.0, self.since + self.seconds - time.monotonic())

    @property
    def due(self) -> bool:
        """Whether what is gathered should be committed now."""
        return self.rows > 0 and (self.bytes >= self.limit or self.wait == 0)

    def take(self) -> tuple[pa.Table, dict[int, int]]:
        """All rows as one table, and the next offsets; the buffer is empty afterwards."""
        data, positions = pa.concat_tables(self.chunks), self.positions
        self.chunks, self.positions, self.rows, self.bytes, self.since = [], {}, 0, 0, None
        return data, positions
