"""What cannot be mapped goes to the dead letters with its reason and origin; all the rest flows on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
import pytest
from bson import Decimal128, Int64, ObjectId
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from dropless import databases, durability, names, pinot
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.example.agreement import wait_for_agreement
from dropless.settings import Settings
from resources.cluster import ClusterView
from resources.dead_letters import dead_letters
from resources.waiting import until

NOW = datetime(2026, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC)
STORE = {"customer_no": 1, "total_cents": 100, "currency": "EUR", "state": "N", "created": NOW, "changed": NOW}
WEBSHOP = {
    "shop_code": "dead",
    "total": "1.00",
    "currency": "EUR",
    "status": "new",
    "placed_at": NOW,
    "updated_at": NOW,
}
WITHIN_SECONDS = 15.0
# Beyond what the shops' own sequences reach.
FIRST = 10**17

# Fault -> the columns that have it, the column that is blamed, and what the reason says.
STORE_FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a state that no value stands for": ({"state": "?"}, "status", "none of"),
    "an infinite time": ({"created": "infinity"}, "placed_at", "year|infinit|range"),
    "a time before the calendar": ({"created": "0044-03-15 00:00:00 BC"}, "placed_at", "year|range"),
    "a time after the calendar": ({"changed": "10000-01-01 00:00:00"}, "updated_at", "year|range"),
    "an infinite date": ({"promised": "infinity"}, "promised_on", "date|day|year|range|infinit"),
}
WEBSHOP_FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a status outside the allowed": ({"status": "lost"}, "status", "none of"),
    "not a number as money": ({"total": "NaN"}, "amount", "number|finite"),
    "not a number as weight": ({"weight": "NaN"}, "weight_kg", "number|finite"),
    "an infinite time": ({"placed_at": "-infinity"}, "placed_at", "year|infinit|range|time"),
    "a time before the calendar": ({"placed_at": "0044-03-15 00:00:00+00 BC"}, "placed_at", "year|range|time"),
}
MISSING = object()
MARKETPLACE_FAULTS: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "a status outside the allowed": ({"status": "lost"}, "status", "allowed"),
    "text as money": ({"total": {"value": "twelve", "currency": "EUR"}}, "amount", "number|decimal"),
    "not a number as money": ({"total": {"value": Decimal128("NaN"), "currency": "EUR"}}, "amount", "number|finite"),
    "infinite money": ({"total": {"value": Decimal128("Infinity"), "currency": "EUR"}}, "amount", "number|finite"),
    "money with too many digits": ({"total": {"value": Decimal128("0.001")}}, "amount", "digit|scale|fraction"),
    "a fraction as a count": ({"lines": {"count": 1.5}}, "item_count", "whole|integer|number"),
    "a count beyond 32 bits": ({"lines": {"count": Int64(2**31)}}, "item_count", "range|bit|large|fit|between"),
    "an infinite weight": ({"lines": {"weightKg": float("inf")}}, None, "JSON|number|finite"),
    "text as a boolean": ({"gift": "maybe"}, "gift", "true|bool"),
    "text as a time": ({"createdAt": "yesterday"}, "placed_at", "time|timestamp"),
    "no time": ({"createdAt": MISSING}, "placed_at", "missing|null|required"),
    "a time of day as a date": ({"promisedOn": NOW}, "promised_on", "date|day|midnight"),
}  # fmt: skip


@dataclass(frozen=True)
class Letter:
    """A dead letter as a consumer gets it."""

    key: bytes | None
    value: bytes | None
    headers: dict[str, str]

    @property
    def origin(self) -> tuple[str, int, int]:
        return self.headers["topic"], int(self.headers["partition"]), int(self.headers["offset"])


def records(endpoints: Endpoints, topic: str, starts: dict[tuple[str, int], int]) -> Iterator[Message]:
    """All committed records of a topic from these positions to its end."""
    consumer = Consumer(durability.positioned_consumer(endpoints, f"test.{uuid.uuid4()}", "test"))
    try:
        consumer.assign([TopicPartition(name, number, offset) for (name, number), offset in starts.items()])
        unfinished = len(starts)
        while unfinished:
            message = consumer.poll(10)
            assert message is not None, f"{topic} cannot be read to its end"
            if message.error() is None:
                yield message
            else:
                unfinished -= 1
    finally:
        consumer.close()


@pytest.fixture
def new_letters(endpoints: Endpoints) -> Callable[[int], list[Letter]]:
    """Waits for so many dead letters beyond those that were there before the test."""
    view = ClusterView(endpoints)
    topic = names.dead_topic("orders")
    starts = view.ends(view.partitions([topic]))

    def wait(count: int) -> list[Letter]:
        letters: list[Letter] = []

        def missing() -> str | None:
            letters[:] = [
                Letter(each.key(), each.value(), {name: value.decode() for name, value in each.headers() or []})
                for each in records(endpoints, topic, starts)
            ]
            return f"{len(letters)} of {count} dead letters" if len(letters) < count else None

        until("the union", missing, WITHIN_SECONDS)
        return letters

    return wait


@pytest.fixture(autouse=True)
def _nothing_bad_is_left(endpoints: Endpoints) -> Iterator[None]:
    clear(endpoints)
    yield
    clear(endpoints)


def clear(endpoints: Endpoints) -> None:
    with databases.postgresql(endpoints, "store") as connection:
        connection.execute("delete from public.orders where id > %s", [FIRST])
    with databases.postgresql(endpoints, "webshop") as connection:
        connection.execute("delete from shop.orders where order_no > %s", [FIRST])
    with databases.mongodb(endpoints) as client:
        client["marketplace"]["orders"].delete_many({"buyer.name": "Dead Letter"})


def wrong(letter: Letter | None, endpoints: Endpoints, source: str, column: str | None, reason: str) -> str | None:
    """What is not as it should be with a dead letter."""
    if letter is None:
        return "there is no dead letter"
    if not re.search(reason, letter.headers["reason"], re.IGNORECASE):
        return f"the reason is {letter.headers['reason']!r}"
    if letter.headers["source"] != source or (column and letter.headers.get("column") != column):
        return f"the headers are {letter.headers}"
    topic, partition, offset = letter.origin
    if topic != names.raw_topic("orders", source):
        return f"the origin is {letter.origin}"
    original = next(records(endpoints, topic, {(topic, partition): offset}))
    if (original.offset(), original.key(), original.value()) != (offset, letter.key, letter.value):
        return f"the original at {letter.origin} is another"
    return None


def agree(settings: Settings, endpoints: Endpoints) -> None:
    agreement = wait_for_agreement(endpoints, declared(settings, "orders"), WITHIN_SECONDS)
    assert agreement.reached, str(agreement)


def flowed(endpoints: Endpoints, keys: list[str]) -> None:
    """Wait until the good rows among the bad ones are visible."""
    listed = ", ".join(f"'{key}'" for key in keys)
    query = f"""select count(*) from orders where "_key" in ({listed}) and "_deleted" = false"""

    def missing() -> str | None:
        seen = pinot.select(endpoints, query).value()
        return f"{seen} of {len(keys)} good rows are visible" if seen < len(keys) else None

    until("Pinot", missing, WITHIN_SECONDS)


def insert(cursor: psycopg.Cursor, table: str, row: dict[str, Any]) -> None:
    columns = ", ".join(row)
    cursor.execute(f"insert into {table} ({columns}) values ({', '.join(['%s'] * len(row))})", list(row.values()))


POSTGRESQL = {
    "store": ("public.orders", STORE, STORE_FAULTS, lambda number: {"id": number}),
    "webshop": ("shop.orders", WEBSHOP, WEBSHOP_FAULTS, lambda number: {"shop_code": "dead", "order_no": number}),
}


@pytest.mark.parametrize("source", POSTGRESQL)
def test_bad_rows_of_a_table_are_set_aside_with_reason_and_origin(settings, endpoints, new_letters, source):
    table, usual, faults, key = POSTGRESQL[source]
    base = FIRST + time.time_ns() // 1000
    bad = {fault: key(base + 2 * index) for index, fault in enumerate(faults)}
    with databases.postgresql(endpoints, source, autocommit=True) as connection, connection.cursor() as cursor:
        for index, (fault, (columns, _, _)) in enumerate(faults.items()):
            insert(cursor, table, usual | bad[fault] | columns)
            insert(cursor, table, usual | key(base + 2 * index + 1))
        letters = {letter.key: letter for letter in new_letters(len(faults))}
        by_fault = {fault: letters.get(orjson.dumps(bad[fault])) for fault in faults}
        found = {fault: wrong(by_fault[fault], endpoints, source, *faults[fault][1:]) for fault in faults}
        assert not {fault: what for fault, what in found.items() if what}
        goods = [key(base + 2 * index + 1) for index in range(len(faults))]
        flowed(endpoints, [f"{source}:{','.join(str(part) for part in each.values())}" for each in goods])
        clear(endpoints)
        agree(settings, endpoints)
    assert len(new_letters(len(faults))) == len(faults), "a delete is never refused for its values"


def document(**changes: Any) -> dict[str, Any]:
    found = {
        "_id": ObjectId(),
        "buyer": {"id": "B-1", "name": "Dead Letter"},
        "total": {"value": Decimal128("1.00"), "currency": "EUR"},
        "status": "placed",
        "lines": {"count": 1},
        "createdAt": NOW,
        "updatedAt": NOW,
    } | changes
    return {name: value for name, value in found.items() if value is not MISSING}


def test_bad_documents_are_set_aside_with_reason_and_origin(settings, endpoints, new_letters):
    bad = {fault: document(**changes) for fault, (changes, _, _) in MARKETPLACE_FAULTS.items()}
    good = [document() for _ in bad]
    with databases.mongodb(endpoints) as client:
        orders = client["marketplace"]["orders"]
        for each, other in zip(bad.values(), good, strict=True):
            orders.insert_many([each, other])
        letters = new_letters(len(bad))
        by_fault = {
            fault: next((each for each in letters if str(bad[fault]["_id"]) in (each.key or b"").decode()), None)
            for fault in bad
        }
        found = {
            fault: wrong(by_fault[fault], endpoints, "marketplace", *MARKETPLACE_FAULTS[fault][1:]) for fault in bad
        }
        assert not {fault: what for fault, what in found.items() if what}
        flowed(endpoints, [f"marketplace:{each['_id']}" for each in good])
        clear(endpoints)
        agree(settings, endpoints)
    assert len(new_letters(len(bad))) == len(bad), "a delete is never refused for its values"


def test_what_is_no_json_at_all_is_set_aside(endpoints, new_letters):
    topic = names.raw_topic("orders", "store")
    producer = Producer({"bootstrap.servers": endpoints.kafka} | durability.layer("producer"))
    values = [b"{not json", b'{"a": ', b"[1, 2]", b'{"before": null}', b"\xff\xfe"]
    for value in values:
        producer.produce(topic, key=b'{"id": -1}', value=value, partition=0)
    producer.flush(10)
    letters = new_letters(len(values))
    assert [letter.value for letter in letters] == values, "the order of a partition is kept"
    assert all(letter.headers["reason"] and letter.origin[:2] == (topic, 0) for letter in letters)


def test_many_bad_rows_keep_their_order_and_the_status_counts_them(settings, endpoints, new_letters):
    before = dead_letters(endpoints, "orders").count
    with databases.postgresql(endpoints, "store") as connection:
        connection.execute("delete from public.orders where id = 99")
        for cents in range(50):
            connection.execute(
                "insert into public.orders (id, customer_no, total_cents, currency, state, created, changed) "
                "values (99, 1, %s, 'EUR', '?', now(), now())",
                [cents],
            )
            connection.execute("delete from public.orders where id = 99")
    letters = new_letters(50)
    assert [orjson.loads(letter.value)["after"]["total_cents"] for letter in letters] == list(range(50))
    assert [letter.origin for letter in letters] == sorted(letter.origin for letter in letters)
    agree(settings, endpoints)

    assert dead_letters(endpoints, "orders").count == before + 50
    command = [sys.executable, "-c", "from dropless.cli import main; main()", "status", "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert told.stdout, f"exit code {told.returncode}: {told.stderr}"
    assert json.loads(told.stdout)["dead_letters"]["orders"] == before + 50
