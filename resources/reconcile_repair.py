"""Mends what a reconciliation found, by changes that go the whole way of a row like any other.

A row that is missing or wrong somewhere is read again from its source by a signal. A row that its source does not have
is deleted by a record in its raw topic, which says why in its headers, so that the union, Pinot, the lake and the audit
treat it as what it is. Whatever the source has after the deletions were written is read again, too: a row that came
back meanwhile is not lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from confluent_kafka import KafkaException, Producer

from dropless import durability, names
from dropless.backfill.slices import Selection
from dropless.contract import Contract, Source
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake import damage
from dropless.lake.rebuilding import rebuild
from dropless.lake.store import Store
from dropless.reconciliation.findings import Report, Wrong
from dropless.reconciliation.keys import source_of
from dropless.records import REASON, Partition, origin
from resources import reconcile_lake
from resources.backfill import Backfill
from resources.committed import CommittedReader
from resources.reconcile_lake import LakeSide
from resources.reconcile_pinot import PinotSide
from resources.reconciliation import side_of
from resources.restore_lake import restore

CALL_SECONDS: Final = 30.0
KEYS_AT_ONCE: Final = 500
BATCH_RECORDS: Final = 1_000

Origin = tuple[str, int, int]
"""Topic, partition and offset of a raw record."""


@dataclass(frozen=True)
class Mended:
    """One thing that was done, and to how many rows."""

    what: str
    rows: int


@dataclass(frozen=True)
class ReconcileRepair:
    """Mends one table; `locks` is the folder in which backfills show that they are driven."""

    endpoints: Endpoints
    contract: Contract
    locks: Path
    progress: Callable[[str], None] = lambda _: None

    def mend(self, report: Report) -> list[Mended]:
        """Have every row that was found wrong read again or deleted, and what is broken in the lake made anew.

        Raises:
            DroplessError: a backfill runs already, a row's raw record is gone, or broken changes are no longer in the
                unified topic.
        """
        done = list(self._rebuilt(report))
        keys = {what: {each.key for each in report.findings if each.what is what} for what in Wrong}
        origins = self._origins(report, keys[Wrong.EXTRA])
        wrong = (keys[Wrong.MISSING] | keys[Wrong.DIFFERENT]) - keys[Wrong.EXTRA]
        for source in self.contract.sources:
            done += self._mend(
                source,
                {key for key in wrong if source_of(key) == source.name},
                {key: place for key, place in origins.items() if source_of(key) == source.name},
            )
        return done

    def _rebuilt(self, report: Report) -> Iterator[Mended]:
        wrong = {each.what for each in report.findings if each.system == reconcile_lake.NAME}
        rebuilt = 0
        if Wrong.UNREADABLE in wrong:
            done = restore(self.endpoints, self.contract, self.progress)
            rebuilt = done.current
            yield from (Mended(f"{what} written anew into the lake", count) for what, count in done.told())
        # A newer version takes the place of one row, and would leave its double.
        if Wrong.DOUBLED in wrong and not rebuilt:
            self.progress("making the lake's current state anew")
            with damage.sentences():
                rows = rebuild(Store.pipeline(self.endpoints), self.contract.name)
            yield Mended("rows of the current state written anew into the lake", rows)

    def _mend(self, source: Source, wrong: Collection[str], extra: Mapping[str, Origin]) -> Iterator[Mended]:
        side = side_of(self.endpoints, self.contract, source)
        try:
            again, deleted = set(wrong), 0
            if extra:
                self.progress(f"deleting {len(extra):,} rows that {source.name} does not have")
                # Read now: the finding is some seconds old.
                gone = extra.keys() - side.rows(extra.keys()).keys()
                self._delete(source, {key: extra[key] for key in gone})
                deleted = len(gone)
                again |= side.rows(extra.keys()).keys()
            keys = side.backfill_keys(again) if again else []
        finally:
            side.release()
        if keys:
            self.progress(f"reading {len(keys):,} rows of {source.name} again")
        for first in range(0, len(keys), KEYS_AT_ONCE):
            with closing(Backfill(self.endpoints, self.contract, source, self.locks)) as backfill:
                backfill.run(Selection(keys=tuple(keys[first : first + KEYS_AT_ONCE])), None)
        if keys:
            yield Mended(f"rows of {source.name} read again", len(keys))
        if deleted:
            yield Mended(f"rows deleted that {source.name} does not have", deleted)

    def _origins(self, report: Report, keys: Collection[str]) -> dict[str, Origin]:
        """Where the newest change of each of these rows came from, as the system that has the row says."""
        found: dict[str, Origin] = {}
        for comparison in report.comparisons:
            wanted = [each.key for each in comparison.findings if each.key in keys and each.what is Wrong.EXTRA]
            if wanted:
                lake = comparison.system == reconcile_lake.NAME
                side = LakeSide(self.endpoints, self.contract) if lake else PinotSide(self.endpoints, self.contract)
                found |= side.origins(wanted)
        return found

    def _delete(self, source: Source, rows: Mapping[str, Origin]) -> None:
        if not rows:
            return
        topic = names.raw_topic(self.contract.name, source.name)
        if foreign := [key for key, place in rows.items() if place[0] != topic]:
            raise DroplessError(f"{foreign[0]} does not come from {topic!r}: it cannot be deleted by it.")
        producer = Producer(
            durability.transactional_producer(self.endpoints, names.repair_transactional_id(self.contract.name))
        )
        try:
            producer.init_transactions(CALL_SECONDS)
            batch: list[tuple[bytes, int, bytes]] = []
            for each in self._deletions(list(rows.values())):
                batch.append(each)
                if len(batch) == BATCH_RECORDS:
                    _write(producer, topic, batch)
                    batch.clear()
            _write(producer, topic, batch)
        except KafkaException as raised:
            raise DroplessError(
                f"The deletions were not written ({raised.args[0].str()}): start the repair again."
            ) from None

    def _deletions(self, places: Sequence[Origin]) -> Iterator[tuple[bytes, int, bytes]]:
        """For each raw record the one that deletes what it made: key, partition, value."""
        wanted: dict[Partition, set[int]] = {}
        for topic, number, offset in places:
            wanted.setdefault((topic, number), set()).add(offset)
        windows = {place: (min(offsets), max(offsets) + 1) for place, offsets in wanted.items()}
        reader = CommittedReader(self.endpoints, f"repair.{self.contract.name}")
        for message in reader.read(windows):
            topic, number, offset = origin(message)
            if offset in wanted[topic, number]:
                wanted[topic, number].discard(offset)
                yield message.key() or b"", number, deletion(message.value() or b"", time.time_ns() // 1000)
        if left := [(*place, offset) for place, offsets in wanted.items() for offset in offsets]:
            topic, number, offset = left[0]
            raise DroplessError(
                f"{len(left):,} rows cannot be deleted: their raw records are gone, such as {topic}[{number}]@{offset}."
            )


def deletion(value: bytes, now_us: int) -> bytes:
    """The change event that deletes the row which a change event made, committed now."""
    event: dict[str, Any] = orjson.loads(value)
    moment = {"ts_us": now_us, "ts_ms": now_us // 1000}
    made = {
        "before": event.get("after"),
        "after": None,
        "source": {**event["source"], **moment, "snapshot": "false"},
        "op": "d",
        **moment,
    }
    return orjson.dumps(made)


def _write(producer: Producer, topic: str, batch: Sequence[tuple[bytes, int, bytes]]) -> None:
    if not batch:
        return
    producer.begin_transaction()
    for key, number, value in batch:
        producer.produce(topic, value, key, number, headers=[(REASON, b"reconciliation: not in the source")])
        producer.poll(0)
    producer.commit_transaction(CALL_SECONDS)
