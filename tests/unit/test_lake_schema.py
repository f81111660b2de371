"""A unified row's way into the lake's types."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import orjson
import pyarrow as pa
import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from dropless.errors import DroplessError
from dropless.lake.buffer import Buffer
from dropless.lake.schema import DAY, SYSTEM, TIMESTAMP, parse

SCHEMA = pa.schema(
    [
        pa.field("amount", pa.decimal128(18, 2)),
        pa.field("points", pa.int64()),
        pa.field("pieces", pa.int32()),
        pa.field("weight", pa.float64()),
        pa.field("gift", pa.bool_()),
        pa.field("promised_on", pa.date32()),
        pa.field("details", pa.string()),
        pa.field("placed_at", TIMESTAMP),
        *SYSTEM,
        pa.field(DAY, pa.date32()),
    ]
)
MICROSECONDS = 1_764_000_000_123_457


def wire(**changes: object) -> bytes:
    row = {
        "amount": "12.30",
        "points": 9_007_199_254_740_993,
        "pieces": 3,
        "weight": 0.1,
        "gift": True,
        "promised_on": "2026-02-28",
        "details": '{"a":[1,"ü"]}',
        "placed_at_us": MICROSECONDS,
        "_key": "store:1",
        "_source": "store",
        "_op": "c",
        "_deleted": False,
        "_committed_at_us": MICROSECONDS,
        "_topic": "raw.orders.store",
        "_partition": 0,
        "_offset": 5,
        "_position": 5,
    }
    return orjson.dumps(row | changes)


def test_every_type_arrives_exactly():
    (row,) = parse([wire()], SCHEMA).to_pylist()
    moment = datetime(2025, 11, 24, 16, 0, 0, 123457, tzinfo=UTC)
    assert row["amount"] == Decimal("12.30")
    assert row["points"] == 9_007_199_254_740_993
    assert row["promised_on"] == date(2026, 2, 28)
    assert row["details"] == '{"a":[1,"ü"]}'
    assert row["placed_at"] == row["_committed_at"] == moment
    assert row[DAY] == date(2025, 11, 24)


def test_null_stays_null_in_every_column():
    names = ("amount", "points", "pieces", "weight", "gift", "promised_on", "details")
    (row,) = parse([wire(**dict.fromkeys((*names, "placed_at_us")))], SCHEMA).to_pylist()
    assert [row[name] for name in (*names, "placed_at")] == [None] * 8


def test_a_column_that_an_older_row_lacks_is_null_and_one_that_is_gone_is_left_out():
    older = orjson.loads(wire()) | {"removed": "x"}
    del older["points"]
    (row,) = parse([orjson.dumps(older)], SCHEMA).to_pylist()
    assert row["points"] is None
    assert "removed" not in row


@pytest.mark.parametrize(
    "changes", [{"pieces": 2**31}, {"points": 1.5}, {"amount": "x"}, {"amount": 12.3}, {"gift": 1}]
)
def test_a_value_of_another_type_is_refused(changes: dict[str, object]):
    with pytest.raises(pa.ArrowInvalid):
        parse([wire(), wire(**changes)], SCHEMA)


def test_an_amount_with_more_digits_than_its_column_is_refused_not_rounded():
    with pytest.raises(pa.ArrowInvalid):
        parse([wire(amount="0.001")], SCHEMA)


def test_a_long_row_among_short_ones_is_no_trouble():
    long = "x" * 3_000_000
    table = parse([wire(), wire(details=long), wire()], SCHEMA)
    assert table["details"].to_pylist()[1] == long


@given(
    amount=st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**15), max_value=10**15),
    points=st.integers(-(2**63), 2**63 - 1),
    weight=st.floats(allow_nan=False, allow_infinity=False),
    details=st.text(st.characters(exclude_categories=["Cs"])),
    moment=st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_any_value_survives(amount: Decimal, points: int, weight: float, details: str, moment: datetime):
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)
    changes = {"amount": f"{amount:f}", "points": points, "weight": weight, "details": details}
    (row,) = parse([wire(**changes, placed_at_us=microseconds)], SCHEMA).to_pylist()
    assert (row["amount"], row["points"], row["weight"], row["details"]) == (amount, points, weight, details)
    assert row["placed_at"] == moment


def message(offset: int, partition: int = 0) -> Message:
    value = wire(_offset=offset)
    return Message(topic="unified.orders", partition=partition, offset=offset, key=b"store:1", value=value)


def test_a_buffer_takes_each_offset_once_and_ends_at_the_next_one():
    buffer = Buffer(SCHEMA, 5, 10**9)
    buffer.add([message(3), message(4), message(7, partition=1)], {0: 4})
    buffer.add([message(4), message(5)], {0: 4})
    data, positions = buffer.take()
    assert data["_offset"].to_pylist() == [4, 7, 5]
    assert positions == {0: 6, 1: 8}
    assert buffer.rows == 0


def test_a_row_that_does_not_fit_is_named_by_its_place_and_not_shown():
    bad = Message(topic="unified.orders", partition=2, offset=8, key=b"k", value=wire(amount="private"))
    with pytest.raises(DroplessError, match=r"unified.orders \[2\] offset 8 does not fit") as raised:
        Buffer(SCHEMA, 5, 10**9).add([message(7, 2), bad, message(9, 2)], {})
    assert "private" not in str(raised.value)


def test_a_buffer_is_due_by_bytes_at_once_and_by_time_later():
    by_bytes, by_time = Buffer(SCHEMA, 60, 10), Buffer(SCHEMA, 0, 10**9)
    for buffer in (by_bytes, by_time):
        assert not buffer.due
        buffer.add([message(0)], {})
        assert buffer.due
