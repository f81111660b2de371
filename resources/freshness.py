"""How stale an answer from Pinot may be, table by table: the signs, gathered from Kafka and Pinot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from dropless import durability, names, pinot
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.freshness import IDLE_SECONDS, Signs, staleness
from dropless.lag import Lag
from dropless.readers import Stage, readers
from resources.cluster import shared_view
from resources.progress import Progress

# A record that waits is there already; only its fetch takes time.
PEEK_SECONDS = 2.0
# So many offsets at a partition's end hold its newest record beside tombstones and markers.
TAIL = 8
QUERY_SECONDS = 4


def freshness(endpoints: Endpoints, contract: Contract) -> float | None:
    """At most how many seconds Pinot's table is behind the source that is furthest behind; None if unknown.

    Raises:
        Unreachable: Kafka or Pinot does not answer.
        DroplessError: Pinot does not have the table.
    """
    known = [staleness(time.time(), signs) for signs in _signs(endpoints, contract).values()]
    ages = [age for age in known if age is not None]
    return max(ages) if ages and len(ages) == len(known) else None


def _signs(endpoints: Endpoints, contract: Contract) -> dict[str, Signs]:
    # In the order of the way of a row: what is known of the raw topics is on its way or has arrived by the time
    # that what waits is asked for, and what does not wait then is visible.
    captured = _captured(endpoints, contract)
    waiting = _waiting(endpoints, contract)
    # A contract's name is an identifier.
    query = (
        f'select "_source", max("_committed_at") from "{contract.name}" '  # noqa: S608
        f'group by "_source" limit {pinot.UNLIMITED}'
    )
    visible = {source: newest / 1000 for source, newest in pinot.select(endpoints, query, QUERY_SECONDS).rows}
    view = shared_view(endpoints)
    heartbeats = {source.name: names.heartbeat_topic(contract.name, source.name) for source in contract.sources}
    beaten = view.newest_of_topics(view.partitions(list(heartbeats.values())))
    return {
        source.name: Signs(
            newest_visible=visible.get(source.name),
            newest_record=captured[source.name].written,
            newest_captured=captured[source.name].committed,
            newest_heartbeat=_seconds(beaten.get(heartbeats[source.name])),
            oldest_waiting=waiting.oldest.get(source.name),
            undated=waiting.undated,
        )
        for source in contract.sources
    }


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


@dataclass(frozen=True)
class _Captured:
    """A raw topic's newest record: when it was written, and when it was committed at the source (if that is known)."""

    written: float | None
    committed: float | None


def _captured(endpoints: Endpoints, contract: Contract) -> dict[str, _Captured]:
    view = shared_view(endpoints)
    raw = {source.name: names.raw_topic(contract.name, source.name) for source in contract.sources}
    partitions = view.partitions(list(raw.values()))
    newest = view.newest_of_topics(partitions)
    found = {source: _Captured(_seconds(newest.get(topic)), None) for source, topic in raw.items()}
    now = time.time()
    recent = {topic for topic, at in newest.items() if now - at.timestamp() < IDLE_SECONDS}
    places = [place for place in partitions if place[0] in recent]
    starts, ends = view.starts(places), view.ends(places)
    tails = [Lag(*place, max(starts[place], ends[place] - TAIL), ends[place]) for place in places]
    for record in _read(endpoints, [each for each in tails if each.end > each.position]).records:
        source_name, committed_at = dated(record)
        before = found[source_name]
        found[source_name] = _Captured(before.written, max(committed_at, before.committed or 0.0))
    return found


@dataclass(frozen=True)
class _Waiting:
    """What the union or Pinot has yet to read."""

    oldest: dict[str, float]
    """Per source the commit time of the oldest record of which it is known."""
    undated: bool
    """A record waits that could not be read in time, of whichever source."""


def _waiting(endpoints: Endpoints, contract: Contract) -> _Waiting:
    view = shared_view(endpoints)
    # The union's positions are committed together with what it wrote: only a raw record can be in an open transaction
    # and be counted nowhere else. Asked before the readers, who have yet to read what is committed in between.
    raw = view.partitions([names.raw_topic(contract.name, source.name) for source in contract.sources])
    opened = [Lag(*place, offset, offset + 1) for place, offset in view.open_transactions(raw).items()]
    progress = Progress(endpoints)
    behind = [
        lag
        for reader in readers(contract)
        if reader.stage in (Stage.UNION, Stage.PINOT)
        for lag in progress.lag(reader)
        if lag.records
    ]
    found = _read(endpoints, behind, first=True), _read(endpoints, opened, first=True, uncommitted=True)
    oldest: dict[str, float] = {}
    for record in (record for each in found for record in each.records):
        source, committed_at = dated(record)
        oldest[source] = min(committed_at, oldest.get(source, committed_at))
    return _Waiting(oldest, not all(each.complete for each in found))


@dataclass(frozen=True)
class _Read:
    records: list[Message]
    complete: bool
    """Whether every partition was read as far as was asked."""


def _read(endpoints: Endpoints, behind: Sequence[Lag], *, first: bool = False, uncommitted: bool = False) -> _Read:
    """The records from each partition's position to its end, or the first of them alone.

    There are none where only markers are left.
    """
    found: list[Message] = []
    missing = {(lag.topic, lag.partition) for lag in behind}
    if not missing:
        return _Read(found, complete=True)
    config = durability.dating_consumer if uncommitted else durability.positioned_consumer
    consumer = Consumer(config(endpoints, "dropless.watch", "dropless.freshness"))
    try:
        consumer.assign([TopicPartition(lag.topic, lag.partition, lag.position) for lag in behind])
        deadline = time.monotonic() + PEEK_SECONDS
        while missing and (left := deadline - time.monotonic()) > 0 and (message := consumer.poll(left)) is not None:
            place = (message.topic() or "", message.partition() or 0)
            if place not in missing:
                continue
            if first or message.error() is not None:
                # Its end is told as an error.
                missing.remove(place)
            if message.error() is None and message.value() is not None:
                found.append(message)
    except KafkaException:
        # A partition without a leader is lag without a date; the systems' health tells of it.
        return _Read(found, complete=False)
    finally:
        consumer.close()
    return _Read(found, complete=not missing)


def dated(record: Message) -> tuple[str, float]:
    """The source of a raw or unified record, and its commit time there in seconds since 1970.

    A raw record that is no change event, which becomes a dead letter, is dated by Kafka.
    """
    topic, written = record.topic() or "", record.timestamp()[1] / 1000
    try:
        row = orjson.loads(record.value() or b"{}")
    except orjson.JSONDecodeError:
        row = None
    if not topic.startswith(names.RAW):
        return row["_source"], row["_committed_at_us"] / 1_000_000
    origin = row.get("source") if isinstance(row, dict) else None
    told = origin.get("ts_ms") if isinstance(origin, dict) else None
    return topic.rsplit(".", 1)[-1], told / 1000 if isinstance(told, int) else written
