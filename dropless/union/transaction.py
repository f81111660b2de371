"""One Kafka transaction per batch, and what follows from each of its errors.

The model is librdkafka's `examples/transactions.c`. A batch is either known to be committed, or the
caller reads the committed offsets and does what is missing again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from dropless.durability import ClientConfig
from dropless.errors import DroplessError
from dropless.fault_points import pass_by
from dropless.records import FENCED
from dropless.union.batch import Batch
from dropless.union.fault_points import Point, Reached
from dropless.union.watchdog import Watchdog

log = structlog.get_logger()

CALL_SECONDS = 2.0
"""How long one call may block; a retriable one is then made again, unless the worker is to stop."""
STUCK_SECONDS = 8.0
"""A call that has not returned by then ignores its time-out; starting again takes three seconds."""
PRODUCER_SECONDS = 20.0
"""For making and dropping a producer, which wait for threads instead of brokers."""
PATIENCE_SECONDS = 30.0
"""How long a batch's calls are repeated; its transaction has timed out at the broker long before."""
SLOW_COMMIT_SECONDS = 5.0


class Stopping(Exception):
    """The worker is to stop and the brokers do not answer."""


class Fenced(Exception):
    """The producer's epoch is over: its transaction timed out, or another process has taken its slot."""


class SlotTaken(DroplessError):
    """Another process joined the group in this one's place."""

    def __init__(self, slot: object) -> None:
        super().__init__(f"Another process runs as {slot}: this one stops.")


class Transactions:
    """The transactional producer of one slot, replaced whenever its state is in doubt."""

    def __init__(
        self,
        config: ClientConfig,
        *,
        unified_topic: str,
        dead_topic: str,
        stop: threading.Event,
        watchdog: Watchdog,
        make: Callable[[dict[str, Any]], Producer] = Producer,
        reached: Reached = pass_by,
    ) -> None:
        self.made = 0
        self._config = config
        self._unified = unified_topic
        self._dead = dead_topic
        self._stop = stop
        self._watchdog = watchdog
        self._make = make
        self._reached = reached
        self._producer: Producer | None = None
        self._doubtful = False

    def start(self) -> None:
        """Make a producer; this ends every open transaction of the slot and fences its earlier producers.

        Raises:
            Stopping: the worker is to stop.
            KafkaException: the brokers refuse it for good.
        """
        self.close()
        with self._watchdog.guard("new producer", PRODUCER_SECONDS):
            producer = self._make(
                {**self._config, "error_cb": self._on_error, "logger": logging.getLogger("kafka.producer")}
            )
        self._patiently("init_transactions", producer.init_transactions, float("inf"))
        self._producer = producer
        self._doubtful = False
        self.made += 1

    def close(self) -> None:
        """Drop the producer without a word to the brokers: its successor ends what it left open."""
        with self._watchdog.guard("drop producer", PRODUCER_SECONDS):
            self._producer = None

    def write(self, batch: Batch, group_metadata: Any) -> bool:
        """Commit a batch with its offsets; False when it was not committed, or nobody knows.

        After False the caller goes on from the group's committed offsets.

        Raises:
            Stopping: the worker is to stop and the batch is in doubt.
            SlotTaken: another process has this one's place in the group.
            Fenced: the producer must be replaced, but only if the group says that nobody else has this slot.
            KafkaException: the brokers refuse a new producer for good.
        """
        producer = self._producer
        if producer is None:
            raise RuntimeError("start() comes first")
        try:
            producer.begin_transaction()
            self._reached(Point.BEFORE_PRODUCE)
            self._produce(producer, batch)
            self._reached(Point.AFTER_PRODUCE)
            offsets = batch.offsets()
            self._patiently(
                "send_offsets_to_transaction",
                lambda timeout: producer.send_offsets_to_transaction(offsets, group_metadata, timeout),
            )
            self._reached(Point.AFTER_OFFSETS)
            began = time.monotonic()
            self._patiently("commit_transaction", producer.commit_transaction)
            self._reached(Point.AFTER_COMMIT)
            # Serves the error callback: a lost coordinator makes the next transaction unsafe.
            producer.poll(0)
            if self._doubtful or time.monotonic() - began > SLOW_COMMIT_SECONDS:
                self._replace("the commit was slow or met a broken connection")
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            if error.code() == KafkaError.FENCED_INSTANCE_ID:
                raise SlotTaken(self._config["transactional.id"]) from None
            log.warning("transaction failed", error=error.name(), detail=error.str(), abort=error.txn_requires_abort())
            if error.code() == FENCED:
                raise Fenced from None
            if not (error.txn_requires_abort() and self._aborted(producer)):
                self._replace(error.name())
            return False
        return True

    def _produce(self, producer: Producer, batch: Batch) -> None:
        # One by one: produce_batch takes no headers, and making its dicts costs more than it saves.
        produce, unified = producer.produce, self._unified
        for key, value in batch.rows:
            try:
                produce(unified, value, key)
            except BufferError:
                self._make_room(producer)
                produce(unified, value, key)
        for dead_key, dead_value, headers in batch.dead:
            try:
                produce(self._dead, dead_value, dead_key, headers=headers)
            except BufferError:
                self._make_room(producer)
                produce(self._dead, dead_value, dead_key, headers=headers)

    def _make_room(self, producer: Producer) -> None:
        # A message that cannot be sent times out with the transaction, so the queue always moves.
        with self._watchdog.guard("produce", PATIENCE_SECONDS):
            while len(producer) >= int(self._config["queue.buffering.max.messages"]) // 2:
                producer.poll(0.05)

    def _aborted(self, producer: Producer) -> bool:
        """Whether the abort is certain and the producer is still fit for use."""
        try:
            self._patiently("abort_transaction", producer.abort_transaction)
        except KafkaException as raised:
            log.warning("abort failed", error=raised.args[0].name())
            return False
        producer.poll(0)
        return not self._doubtful

    def _replace(self, reason: str) -> None:
        # librdkafka has no client side of KIP-890, so a delayed EndTxn of this producer's epoch could end a
        # later transaction of the same epoch (KAFKA-17754); a new producer has a new epoch.
        log.warning("replacing the producer", reason=reason)
        self.start()

    def _patiently(self, name: str, call: Callable[[float], None], patience: float = PATIENCE_SECONDS) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                with self._watchdog.guard(name, STUCK_SECONDS):
                    return call(CALL_SECONDS)
            except KafkaException as raised:
                error: KafkaError = raised.args[0]
                if not error.retriable() or time.monotonic() > deadline:
                    raise
                self._doubtful = True
                if self._stop.wait(0.05):
                    raise Stopping(name) from raised

    def _on_error(self, error: KafkaError) -> None:
        # Connections break one by one; any of them may have been the coordinator's.
        self._doubtful = True
        log.warning("producer met an error", error=error.name(), detail=error.str())
