"""The lake's exactly-once loop: positions live in the table itself, so that nothing can disagree with it.

Any failure ends the session: the buffer is dropped, the table opened anew, and reading goes on from
the positions found there. Whether a commit in doubt had landed is answered by them too.
"""

from __future__ import annotations

import logging
import threading
import time

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from deltalake.exceptions import CommitFailedError, DeltaError

from dropless import names
from dropless.contract import Contract
from dropless.errors import DroplessError
from dropless.fault_points import pass_by
from dropless.lake.buffer import Buffer
from dropless.lake.fault_points import Point, Reached
from dropless.lake.schema import changes_schema
from dropless.lake.status import Status
from dropless.lake.store import Store
from dropless.lake.table import ChangesTable
from dropless.records import END_OF_PARTITION, FATAL, POSITION_GONE, origin

log = structlog.get_logger()

POLL_RECORDS = 10_000
POLL_SECONDS = 0.2
BROKER_SECONDS = 10.0
RETRY_SECONDS = 1.0
LAG_SECONDS = 1.0


class LakeWriter:
    """Writes one unified topic to its table of changes; a second one at work is fenced by the table."""

    def __init__(
        self,
        contract: Contract,
        store: Store,
        status: Status,
        stop: threading.Event,
        reached: Reached = pass_by,
    ) -> None:
        self._contract = contract
        self._store = store
        self._status = status
        self._stop = stop
        self._reached = reached
        self._topic = names.unified_topic(contract.name)
        self._schema = changes_schema(contract)
        self._positions: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._lag_told = 0.0

    def run(self) -> None:
        """Write until told to stop.

        Raises:
            DroplessError: records are gone that were never written, or do not fit the contract.
        """
        while not self._stop.is_set():
            try:
                self._session()
            except CommitFailedError as error:
                self._status.conflicts += 1
                log.warning("another writer was first; reading its positions", detail=str(error))
            except (DeltaError, OSError) as error:
                self._failed("the lake does not answer", str(error))
            except KafkaException as raised:
                self._failed("Kafka does not answer", raised.args[0].str())
        self._status.state = "stopped"

    def _failed(self, what: str, detail: str) -> None:
        self._status.failures += 1
        self._status.state, self._status.detail = "recovering", what
        log.warning(what, detail=detail)
        self._stop.wait(RETRY_SECONDS)

    def _session(self) -> None:
        consumer = Consumer(
            {**self._status.consumer, "on_commit": self._on_commit}, logger=logging.getLogger("kafka.consumer")
        )
        try:
            partitions = self._partitions(consumer)
            if not partitions:
                self._wait_for_topic()
                return
            table = ChangesTable(
                self._store, names.changes_table(self._contract.name), self._topic, self._schema, self._description()
            )
            self._assign(consumer, table, partitions)
            self._status.state, self._status.detail, self._status.version = "running", "", table.version
            buffer = Buffer(self._schema, self._contract.lake.commit_seconds, self._contract.lake.commit_bytes)
            while not self._stop.is_set():
                self._turn(consumer, table, buffer)
            if buffer.rows:
                self._commit(consumer, table, buffer)
        finally:
            consumer.close()

    def _turn(self, consumer: Consumer, table: ChangesTable, buffer: Buffer) -> None:
        messages = consumer.consume(POLL_RECORDS, min(POLL_SECONDS, buffer.wait))
        buffer.add([message for message in messages if self._usable(message)], self._positions)
        if buffer.due:
            self._commit(consumer, table, buffer)
        self._status.buffered_rows = buffer.rows
        self._tell_lag(consumer, buffer)

    def _commit(self, consumer: Consumer, table: ChangesTable, buffer: Buffer) -> None:
        data, positions = buffer.take()
        began = time.monotonic()
        self._reached(Point.BEFORE_COMMIT)
        table.append(data, positions)
        self._reached(Point.AFTER_COMMIT)
        self._positions |= positions
        self._status.committed(data.num_rows, time.monotonic() - began, table.version)
        # For showing the lag alone; it is never read back.
        consumer.commit(
            offsets=[TopicPartition(self._topic, number, offset) for number, offset in positions.items()],
            asynchronous=True,
        )

    def _partitions(self, consumer: Consumer) -> list[int]:
        topic = consumer.list_topics(self._topic, BROKER_SECONDS).topics[self._topic]
        return [] if topic.error else sorted(topic.partitions)

    def _wait_for_topic(self) -> None:
        if self._status.state != "waiting for topics":
            log.warning("waiting for a topic to be made", topic=self._topic)
            self._status.state = "waiting for topics"
        self._stop.wait(0.5)

    def _assign(self, consumer: Consumer, table: ChangesTable, partitions: list[int]) -> None:
        self._positions = table.positions(partitions)
        self._ends.clear()
        for number, position in self._positions.items():
            first, end = consumer.get_watermark_offsets(TopicPartition(self._topic, number), BROKER_SECONDS)
            if position > end:
                raise DroplessError(
                    f"The lake has {self._topic} [{number}] up to offset {position} but the topic ends at {end}: the "
                    "topic was made anew or lost records; restore it, or move the lake table away to write it anew."
                )
            if position < first:
                raise DroplessError(
                    f"{self._topic} [{number}] begins at offset {first} but the lake has it only up to {position}: "
                    "the records between are gone; move the lake table away to write it anew, then reconcile."
                )
        consumer.assign(
            [TopicPartition(self._topic, each, self._positions.get(each, OFFSET_BEGINNING)) for each in partitions]
        )
        log.info("reading", topic=self._topic, positions=self._positions, version=table.version)

    def _usable(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == END_OF_PARTITION:
            _, partition, offset = origin(message)
            self._ends[partition] = offset
        elif error.code() in {POSITION_GONE, FATAL}:
            # The next session's look at the topic's ends tells what happened.
            raise KafkaException(error)
        else:
            log.warning("consumer met an error", error=error.name(), detail=error.str())
        return False

    def _on_commit(self, error: KafkaError | None, _offsets: list[TopicPartition]) -> None:
        if error is not None:
            log.warning("the lag cannot be shown by the group's offsets", error=error.name())

    def _tell_lag(self, consumer: Consumer, buffer: Buffer) -> None:
        now = time.monotonic()
        if now - self._lag_told < LAG_SECONDS:
            return
        self._lag_told = now
        lag = {}
        for each in consumer.assignment():
            watermarks = consumer.get_watermark_offsets(each, cached=True)
            position = self._positions.get(each.partition, 0)
            if each.partition not in buffer.positions:
                # Commit markers occupy offsets: the reported end says how far we really are.
                position = max(position, self._ends.get(each.partition, 0))
            lag[f"{each.topic}[{each.partition}]"] = max(0, watermarks[1] - position) if watermarks else 0
        self._status.lag = lag

    def _description(self) -> str:
        return f"Every change of {self._contract.name}. {self._contract.description}".strip()
