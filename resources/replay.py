"""Puts dead letters through the union again, after their mapping was mended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from dropless import durability, names
from dropless.contract import Contract
from dropless.dead_letters import by_worker, read
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.ksqldb.dead_letters import Letter
from dropless.records import REPLAYED, Partition, origin
from dropless.union.outcome import Row
from dropless.union.replay import DeadLetter, Origin, Replay, Version
from dropless.union.worker import routes
from resources.cluster import ClusterView
from resources.committed import CommittedReader, Progress

CALL_SECONDS = 30.0
CHUNK_LETTERS = 20_000
"""Dead letters held in memory at a time; each chunk costs one reading of the unified topic."""


@dataclass(frozen=True)
class Outcome:
    """What became of a table's dead letters: together they are all of them."""

    table: str
    replayed: int
    superseded: int
    earlier: int
    still_dead: int
    reasons: dict[str, int]


def dead_letters(endpoints: Endpoints, table: str, progress: Progress = lambda _: None) -> Iterator[DeadLetter]:
    """Every dead letter of a table, partition by partition in their order, with its raw record.

    Raises:
        Unreachable: Kafka does not answer.
        DroplessError: a record in the topic is no dead letter, or the raw record of one is gone.
    """
    for chunk in _chunks(endpoints, table, progress):
        yield from chunk


def replay(
    endpoints: Endpoints, contract: Contract, *, write: bool = True, progress: Progress = lambda _: None
) -> Outcome:
    """Map every dead letter again and write those that now have a row, exactly once.

    A row that was written by an earlier replay, or is older than its key's newest, is not written.
    With `write=False` it is only counted what would be.

    Raises:
        DroplessError: another replay of the table began meanwhile.
        Unreachable: Kafka does not answer.
    """
    producer = _producer(endpoints, contract.name) if write else None
    outcomes = [
        _replay(endpoints, contract, chunk, producer, progress) for chunk in _chunks(endpoints, contract.name, progress)
    ]
    return Outcome(
        contract.name,
        replayed=sum(each.replayed for each in outcomes),
        superseded=sum(each.superseded for each in outcomes),
        earlier=sum(each.earlier for each in outcomes),
        still_dead=sum(each.still_dead for each in outcomes),
        reasons=dict(sum((Counter(each.reasons) for each in outcomes), Counter())),
    )


def _replay(
    endpoints: Endpoints, contract: Contract, letters: list[DeadLetter], producer: Producer | None, progress: Progress
) -> Outcome:
    mapped = Replay()
    mapped.take(
        letters,
        routes(contract),
        {names.raw_topic(contract.name, source.name): source.epoch for source in contract.sources},
    )
    view = ClusterView(endpoints)
    places = view.partitions([names.unified_topic(contract.name)])
    read = view.starts(places) if mapped.alive else {}
    reader = CommittedReader(endpoints, f"replay.{contract.name}", progress)
    written = earlier = superseded = 0
    first = True
    # Rows that the union writes meanwhile may be newer than ours: look again until nothing is due.
    while mapped.alive:
        ends = view.ends(places)
        keys = mapped.keys
        for message in reader.read({place: (read[place], ends[place]) for place in places}):
            if message.key() in keys:
                mapped.seen(_version(message))
        read = ends
        due = mapped.due()
        if first:
            earlier = sum(1 for version in mapped.alive if version.origin in mapped.done)
            superseded = mapped.superseded
            written = len(mapped.alive) - earlier - superseded
            first = False
        if producer is None or not due:
            break
        _write(producer, names.unified_topic(contract.name), due)
    reasons = Counter(dead.reason for _, dead in mapped.still_dead)
    return Outcome(contract.name, written, superseded, earlier, len(mapped.still_dead), dict(reasons))


def _producer(endpoints: Endpoints, table: str) -> Producer:
    producer = Producer(durability.transactional_producer(endpoints, names.replay_transactional_id(table)))
    # Before anything is read: it fences another replay, so that no two write the same rows.
    producer.init_transactions(CALL_SECONDS)
    return producer


def _write(producer: Producer, topic: str, due: list[Version]) -> None:
    try:
        producer.begin_transaction()
        for version in due:
            producer.produce(topic, version.row.value, version.row.key, headers=[(REPLAYED, b"1")])
            producer.poll(0)
        producer.commit_transaction(CALL_SECONDS)
    except KafkaException as raised:
        error: KafkaError = raised.args[0]
        if error.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH):  # noqa: SLF001
            raise DroplessError("Another replay of this table began meanwhile: this one stopped.") from None
        raise DroplessError(f"The replay was not written ({error.str()}): start it again.") from None


def _chunks(endpoints: Endpoints, table: str, progress: Progress) -> Iterator[list[DeadLetter]]:
    view = ClusterView(endpoints)
    places = view.partitions([names.dead_topic(table)])
    starts, ends = view.starts(places), view.ends(places)
    reader = CommittedReader(endpoints, f"dead.{table}", progress)
    messages = reader.read({place: (starts[place], ends[place]) for place in places})
    while chunk := list(islice(messages, CHUNK_LETTERS)):
        yield list(_letters(endpoints, table, chunk, progress))


def _letters(endpoints: Endpoints, table: str, messages: Sequence[Message], progress: Progress) -> Iterator[DeadLetter]:
    told = [_told(message) for message in messages]
    # ksqlDB's letters say where the record is, and no more.
    away = {letter.origin for message, letter in zip(messages, told, strict=True) if not by_worker(message)}
    raw = _raw(endpoints, table, away, progress)
    for message, letter in zip(messages, told, strict=True):
        _, partition, offset = origin(message)
        record = raw.get(letter.origin, message)
        yield DeadLetter(
            partition=partition,
            offset=offset,
            origin=letter.origin,
            reason=letter.reason,
            column=letter.column,
            source=letter.source,
            timestamp_ms=message.timestamp()[1],
            key=record.key(),
            value=record.value(),
        )


def _told(message: Message) -> Letter:
    letter = read(message)
    if letter is None:
        topic, partition, offset = origin(message)
        raise DroplessError(f"{topic}[{partition}]@{offset} is no dead letter: no union of ours wrote it.")
    return letter


def _raw(endpoints: Endpoints, table: str, wanted: AbstractSet[Origin], progress: Progress) -> dict[Origin, Message]:
    """The raw records of these origins; one reading from the first to the last of each partition."""
    ranges: dict[Partition, tuple[int, int]] = {}
    for topic, partition, offset in wanted:
        first, end = ranges.get((topic, partition), (offset, offset))
        ranges[topic, partition] = (min(first, offset), max(end, offset + 1))
    reader = CommittedReader(endpoints, f"dead.{table}.raw", progress)
    found = {origin(message): message for message in reader.read(ranges) if origin(message) in wanted}
    if lost := min(wanted - found.keys(), default=None):
        raise DroplessError(f"The raw record of a dead letter is gone: {lost[0]}[{lost[1]}]@{lost[2]}.")
    return found


def _version(message: Message) -> Version:
    key, value = message.key() or b"", message.value() or b""
    row = orjson.loads(value)
    return Version((row["_topic"], row["_partition"], row["_offset"]), row["_position"], Row(key, value))
