"""The exactly-once loop: consume, map, and commit rows, dead letters and offsets in one transaction.

Nothing is open while records are polled for, and rebalances happen only inside that poll. So a
revoked partition never has a transaction to end: what was taken is committed, or was dropped.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from dropless.errors import DroplessError
from dropless.records import END_OF_PARTITION, FATAL, POSITION_GONE, Partition, origin
from dropless.union.batch import Route, fill
from dropless.union.slot import Slot
from dropless.union.status import Status
from dropless.union.transaction import Fenced, SlotTaken, Stopping, Transactions
from dropless.union.watchdog import Watchdog

log = structlog.get_logger()

BATCH_RECORDS = 10_000
BUSY_RECORDS = 1000
"""After so many records in one transaction the next one's are gathered for the clock's time."""
CLOCK_SECONDS = 0.05
"""How long records are gathered under load for one transaction, unless BATCH_RECORDS come sooner."""
IDLE_SECONDS = 0.1
"""How long a poll waits for the first record; it returns as soon as there is one."""
COMMITTED_SECONDS = 10.0
"""Committed offsets are unknown while another process's transaction is open, at most this long."""
LAG_SECONDS = 1.0
REJOIN_SECONDS = 1.5
"""Beyond the session's time-out, at which the group's coordinator forgets a member."""
VERDICT_SECONDS = 5.0
"""A heartbeat, and the time in which a newer process for the same slot joins the group."""


class Union:
    """One process's share of a union."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        transactions: Transactions,
        status: Status,
        *,
        slot: Slot,
        stop: threading.Event,
        watchdog: Watchdog,
        clock_seconds: float = CLOCK_SECONDS,
    ) -> None:
        self._routes = routes
        self._transactions = transactions
        self._status = status
        self._slot = slot
        self._member = ""
        self._stop = stop
        self._watchdog = watchdog
        self._clock = clock_seconds
        self._positions: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._revoked: set[Partition] = set()
        self._lag_told = 0.0
        self._busy = False

    def run(self) -> None:
        """Work until told to stop; a consumer whose state is in doubt is replaced.

        Raises:
            DroplessError: records are gone that were never read, or another process has this slot.
            KafkaException: the brokers refuse this process for good.
        """
        try:
            # Before joining the group: it ends a killed predecessor's transaction, whose offsets would be awaited.
            self._start_transactions()
            self._slot.watch(list(self._routes))
            while not self._stop.is_set():
                try:
                    self._session()
                    if self._slot.must_rejoin.is_set():
                        self._stay_away()
                except SlotTaken:
                    if self._slot.taken(self._member):
                        raise
                    log.warning("no other process has this slot: starting a new consumer")
                    self._start_transactions()
        except Stopping as call:
            log.warning("stopping in the middle of a call", call=str(call))
        finally:
            self._status.state = "stopped"
            self._transactions.close()

    def _stay_away(self) -> None:
        """Let the group end this member's session, so that it shares out everything anew."""
        self._status.state = "rejoining"
        self._stop.wait(int(self._status.consumer["session.timeout.ms"]) / 1000 + REJOIN_SECONDS)
        self._slot.must_rejoin.clear()

    def _start_transactions(self) -> None:
        if not self._stop.is_set():
            self._transactions.start()
            self._status.producers_made = self._transactions.made

    def _session(self) -> None:
        consumer = Consumer({**self._status.consumer}, logger=logging.getLogger("kafka.consumer"))
        self._positions.clear()
        self._tell_assignment()
        try:
            consumer.subscribe(
                list(self._routes), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            self._status.state = "running"
            while not self._stop.is_set() and not self._slot.must_rejoin.is_set():
                self._turn(consumer)
        except Fenced:
            self._await_verdict(consumer)
            self._start_transactions()
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            log.warning("starting a new consumer", error=error.name(), detail=error.str())
            self._await_verdict(consumer)
        finally:
            with self._watchdog.guard("close consumer", 20):
                consumer.close()

    def _await_verdict(self, consumer: Consumer) -> None:
        """Let the group say whether another process has this slot, before anything is done that would fence it.

        Whatever is read meanwhile is void: the next session starts at the committed offsets.
        """
        self._status.state = "recovering"
        deadline = time.monotonic() + VERDICT_SECONDS
        while not self._stop.is_set() and time.monotonic() < deadline:
            for message in consumer.consume(BATCH_RECORDS, 0.1):
                self._usable(message)

    def _turn(self, consumer: Consumer) -> None:
        self._revoked.clear()
        records = [message for message in self._gathered(consumer) if message.error() is None or self._usable(message)]
        self._busy = len(records) >= BUSY_RECORDS
        if self._revoked:
            # Whoever had these partitions meanwhile may have moved on: what was gathered before is void.
            records = [record for record in records if origin(record)[:2] not in self._revoked]
            self._rewind(consumer, dict.fromkeys(self._revoked & self._positions.keys(), OFFSET_BEGINNING))
        if records:
            self._commit(consumer, records)
        self._tell_lag(consumer)

    def _gathered(self, consumer: Consumer) -> list[Message]:
        """What one transaction is to take: what is there, or under load what comes in the clock's time.

        Few records are not held back, since more of them gather anyway while a transaction commits.
        """
        first = consumer.consume(1, IDLE_SECONDS)
        return first + consumer.consume(BATCH_RECORDS - 1, self._clock if self._busy else 0) if first else first

    def _commit(self, consumer: Consumer, records: list[Message]) -> None:
        batch = fill(records, self._routes, self._positions)
        if batch.empty:
            return
        began = time.monotonic()
        # Fresh at every commit: the generation in it is what fences a member that was replaced (KIP-447).
        committed = self._transactions.write(batch, consumer.consumer_group_metadata())
        self._status.producers_made = self._transactions.made
        if committed:
            self._positions |= batch.next
        else:
            # A transaction is whole or void: its offsets tell which.
            committed = self._rewind(consumer, batch.first) == batch.next
        if committed:
            self._status.committed(batch, time.monotonic() - began)
        else:
            self._status.batches_rewound += 1

    def _rewind(self, consumer: Consumer, first: Mapping[Partition, int]) -> dict[Partition, int]:
        """Go to the committed offsets, or to `first` where nothing was ever committed, and tell them."""
        targets = {}
        for place, offset in self._committed(consumer, list(first)).items():
            targets[place] = target = offset if offset >= 0 else first[place]
            consumer.seek(TopicPartition(*place, target))
            self._positions[place] = max(0, target)
            self._ends.pop(place, None)
        return targets

    def _committed(self, consumer: Consumer, places: list[Partition]) -> dict[Partition, int]:
        if not places:
            return {}
        with self._watchdog.guard("committed", COMMITTED_SECONDS + 10):
            answers = consumer.committed([TopicPartition(*place) for place in places], COMMITTED_SECONDS)
        for answer in answers:
            if answer.error:
                raise KafkaException(answer.error)
        return {(answer.topic, answer.partition): answer.offset for answer in answers}

    def _usable(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        code = error.code()
        if code == END_OF_PARTITION:
            topic, partition, offset = origin(message)
            self._ends[(topic, partition)] = offset
        elif code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            topic = message.topic() or "?"
            if topic not in self._status.missing_topics:
                log.warning("waiting for a topic to be made", topic=topic)
                self._status.missing_topics.append(topic)
        elif code == POSITION_GONE:
            raise DroplessError(
                f"Records of {message.topic()} [{message.partition()}] are gone that the union has not read "
                f"({error.str()}): restore the topic, or reset the group's offsets and reconcile."
            )
        elif code == FATAL:
            # It cannot be asked for its code; the only known one is that another process seems to have this slot.
            raise SlotTaken(self._status.consumer["group.instance.id"])
        else:
            log.warning("consumer met an error", error=error.name(), detail=error.str())
        return False

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        committed = self._committed(consumer, [(each.topic, each.partition) for each in partitions])
        starts = {place: offset if offset >= 0 else OFFSET_BEGINNING for place, offset in committed.items()}
        consumer.incremental_assign([TopicPartition(*place, start) for place, start in starts.items()])
        self._member = consumer.memberid()
        self._positions |= {place: max(0, start) for place, start in starts.items()}
        self._tell_assignment()
        found = {topic for topic, _ in starts}
        self._status.missing_topics = [topic for topic in self._status.missing_topics if topic not in found]
        log.info("partitions assigned", partitions=[f"{topic}[{number}]" for topic, number in starts])

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            place = (each.topic, each.partition)
            self._revoked.add(place)
            self._positions.pop(place, None)
            self._ends.pop(place, None)
        self._tell_assignment()
        log.info("partitions revoked", partitions=[f"{each.topic}[{each.partition}]" for each in partitions])
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Its session is over. Once this returns, it joins anew and would drive out whoever was started in its place.
        if self._slot.taken(self._member):
            log.critical(str(SlotTaken(self._status.consumer["group.instance.id"])))
            os._exit(1)
        self._on_revoke(consumer, partitions)

    def _tell_assignment(self) -> None:
        mine = tuple(sorted(f"{topic}[{partition}]" for topic, partition in self._positions))
        # Replaced and never changed, since the status is read in another thread.
        self._status.assignment = mine
        self._status.lag = {name: lag for name, lag in self._status.lag.items() if name in mine}

    def _tell_lag(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now - self._lag_told < LAG_SECONDS:
            return
        self._lag_told = now
        lag = {}
        for place, position in self._positions.items():
            watermarks = consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            # Commit markers occupy offsets: the reported end of the partition says how far we really are.
            reached = max(position, self._ends.get(place, 0))
            lag[f"{place[0]}[{place[1]}]"] = max(0, watermarks[1] - reached) if watermarks else 0
        self._status.lag = lag
