"""A dead letter says the same whichever engine wrote it."""

from __future__ import annotations

from typing import Any, cast

import orjson
import pytest
from confluent_kafka import Message

from dropless.dead_letters import by_worker, read
from dropless.ksqldb.dead_letters import Letter

REASON = "Column 'total' is no number."
WANTED = Letter(REASON, "total", "shop", ("raw.orders.shop", 2, 17))


class Record:
    """As much of a consumed record as is looked at."""

    def __init__(self, value: bytes | None, headers: dict[str, str]) -> None:
        self._value, self._headers = value, [(name, text.encode()) for name, text in headers.items()]

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes]]:
        return self._headers


def record(value: bytes | None, **headers: str) -> Message:
    return cast("Message", Record(value, headers))


def test_a_workers_letter_is_in_its_headers() -> None:
    place = {"topic": "raw.orders.shop", "partition": "2", "offset": "17"}
    letter = record(b"its own bytes", reason=REASON, column="total", source="shop", **place)
    assert by_worker(letter)
    assert read(letter) == WANTED


def test_ksqldbs_letter_is_in_its_value() -> None:
    value = {"reason": REASON, "source": "shop", "topic": "raw.orders.shop", "partition": 2, "offset": 17}
    letter = record(orjson.dumps(value))
    assert not by_worker(letter)
    assert read(letter) == WANTED


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"text", {}),
        (None, {}),
        (b'{"reason": "nobody said where"}', {}),
        (b"bytes", {"reason": "nobody said where"}),
        (b"bytes", {"reason": "x", "source": "shop", "topic": "t", "partition": "first", "offset": "1"}),
    ],
)
def test_what_no_union_wrote_is_no_letter(value: Any, headers: dict[str, str]) -> None:
    assert read(record(value, **headers)) is None
