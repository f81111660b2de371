"""What one transaction of the union holds."""

from __future__ import annotations

from confluent_kafka import Message

from dropless.union.batch import Route, fill
from dropless.union.outcome import Dead, Row

TOPIC = "raw.orders.store"


def record(offset: int, key: bytes | None = b"k", value: bytes | None = b"v", partition: int = 0) -> Message:
    return Message(topic=TOPIC, partition=partition, offset=offset, key=key, value=value)


def mapper(key: bytes | None, value: bytes | None, partition: int, offset: int) -> Row | Dead | None:
    if value is None:
        return None
    if value == b"bad":
        return Dead("Column 'amount' cannot take it.", "amount")
    return Row(b"store:" + (key or b""), value)


ROUTES = {TOPIC: Route("store", mapper)}


def test_offsets_are_one_past_the_last_processed_record_of_each_partition():
    batch = fill([record(4), record(5), record(9, partition=1)], ROUTES, {})
    assert {(each.topic, each.partition, each.offset) for each in batch.offsets()} == {(TOPIC, 0, 6), (TOPIC, 1, 10)}
    assert batch.first == {(TOPIC, 0): 4, (TOPIC, 1): 9}


def test_rows_keep_the_order_of_their_records():
    batch = fill([record(n, value=str(n).encode()) for n in range(100)], ROUTES, {})
    assert [value for _, value in batch.rows] == [str(n).encode() for n in range(100)]


def test_a_record_below_its_position_is_left_out_and_moves_no_offset():
    batch = fill([record(3), record(4)], ROUTES, {(TOPIC, 0): 5})
    assert batch.empty
    assert not batch.rows


def test_a_record_that_comes_twice_in_one_poll_is_taken_once():
    batch = fill([record(3), record(4), record(3), record(4), record(5)], ROUTES, {(TOPIC, 0): 3})
    assert len(batch.rows) == 3
    assert batch.next == {(TOPIC, 0): 6}


def test_a_dead_letter_keeps_its_bytes_and_says_where_it_comes_from_and_why():
    batch = fill([record(7, key=b'{"id":1}', value=b"bad", partition=2)], ROUTES, {})
    ((key, value, headers),) = batch.dead
    assert (key, value) == (b'{"id":1}', b"bad")
    assert dict(headers) == {
        "reason": b"Column 'amount' cannot take it.",
        "column": b"amount",
        "topic": TOPIC.encode(),
        "partition": b"2",
        "offset": b"7",
        "source": b"store",
    }


def test_a_tombstone_writes_nothing_but_moves_the_offset():
    batch = fill([record(7, value=None)], ROUTES, {})
    assert not batch.rows
    assert not batch.dead
    assert not batch.empty
    assert batch.next == {(TOPIC, 0): 8}


def test_every_record_is_counted_as_exactly_one_of_row_dead_or_skipped():
    batch = fill([record(0), record(1, value=b"bad"), record(2, value=None), record(3)], ROUTES, {})
    assert dict(batch.counts["store"]) == {"in": 4, "out": 2, "dead": 1, "skipped": 1}
