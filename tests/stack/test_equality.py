"""After traffic, source, Pinot and lake hold the same rows, value by value."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from bson import Decimal128, Int64, ObjectId

from dropless import databases
from dropless.contract import Contract
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.example.agreement import wait_for_agreement
from dropless.example.orders import Kind
from dropless.example.traffic import Load, play
from dropless.reconciliation import newest
from dropless.settings import Settings

CHANGES = 21_000
# What the machine of the slowest source sustains, with room.
RATE = 600.0
WITHIN_SECONDS = 10.0


@pytest.fixture(scope="module")
def orders(settings: Settings) -> Contract:
    return declared(settings, "orders")


@pytest.mark.timeout(900)
def test_everything_is_equal_ten_seconds_after_many_changes_of_all_kinds(endpoints: Endpoints, orders: Contract):
    summary = play(endpoints, Load(RATE, CHANGES / RATE, seed=3, odd=True))
    assert summary.changes >= 20_000
    for source, counts in summary.counts.items():
        assert {kind for kind in Kind if counts[kind]} == set(Kind) - {Kind.SPOIL}, source
    agreement = wait_for_agreement(endpoints, orders, WITHIN_SECONDS)
    assert agreement.reached, str(agreement)
    assert agreement.orders > 3000
    assert newest.repeated_in_lake(endpoints, orders) == 0


def test_many_versions_of_one_key_in_one_transaction_end_in_the_last(endpoints: Endpoints, orders: Contract):
    insert = """
        insert into public.orders (id, customer_no, total_cents, currency, state, created, changed)
        values (%s, 1, %s, 'EUR', 'N', '2026-01-01 00:00:00.000001', '2026-01-01 00:00:00.999999')
    """
    first, second = 10**15 + 1, 10**15 + 2
    with databases.postgresql(endpoints, "store") as connection:
        connection.execute("delete from public.orders where id in (%s, %s)", [first, second])
        for cents in range(20):
            connection.execute(insert, [first, cents])
            connection.execute("update public.orders set total_cents = -total_cents where id = %s", [first])
            connection.execute("delete from public.orders where id = %s", [first])
        connection.execute(insert, [first, 4711])
        connection.execute("update public.orders set id = %s where id = %s", [second, first])
        connection.execute(insert, [first, 4712])
    agreement = wait_for_agreement(endpoints, orders, WITHIN_SECONDS)
    assert agreement.reached, str(agreement)
    rows = newest.in_pinot(endpoints, orders)
    assert [str(rows[f"store:{number}"]["amount"]) for number in (first, second)] == ["47.12", "47.11"]


def test_a_transaction_over_several_documents_arrives_whole(endpoints: Endpoints, orders: Contract):
    now = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    documents = [
        {
            "_id": ObjectId(),
            "buyer": {"id": f"B-{number}", "name": "Ünï 🛒"},
            "total": {"value": Decimal128(f"{number}.10"), "currency": "EUR"},
            "status": "placed",
            "lines": {"count": number, "weightKg": number / 3},
            "points": Int64(2**53 + number),
            "createdAt": now,
            "updatedAt": now,
        }
        for number in range(50)
    ]
    with databases.mongodb(endpoints) as client:
        collection = client["marketplace"]["orders"]
        with client.start_session() as session, session.start_transaction():
            collection.insert_many(documents, session=session)
            collection.update_many({"buyer.name": "Ünï 🛒"}, {"$set": {"status": "paid"}}, session=session)
            collection.delete_one({"_id": documents[0]["_id"]}, session=session)
    agreement = wait_for_agreement(endpoints, orders, WITHIN_SECONDS)
    assert agreement.reached, str(agreement)
    rows = newest.in_lake(endpoints, orders)
    assert f"marketplace:{documents[0]['_id']}" not in rows
    assert all(rows[f"marketplace:{each['_id']}"]["status"] == "paid" for each in documents[1:])


MOMENT = "2026-03-29 01:00:00.000001+00"
NUMBERS = '{"a": 1.0, "b": 1e3, "c": 123456789012345678901234567890, "\\u00e4": "\\u2028"}'
# shop_code, order_no, customer_email, total, currency, status, quantity, bonus_points, weight, gift_wrap,
# delivery_date, attributes, placed_at, updated_at
EDGES = {
    "zeros and empty texts": (
        *("edge,\\:", 1, "", "-0.01", "", "new", 0, 0, "0.000", False),
        *("0001-01-01", "{}", MOMENT, MOMENT),
    ),
    "largest and longest": (
        *("edge,\\:", 2, "x" * 5000, "9999999999999999.99", "EUR", "sent", 2**31 - 1, 2**63 - 1, "9999999.999", True),
        *("9999-12-31", NUMBERS, "2255-06-05 23:47:34.740993+00", "2071-01-01 00:00:00+00"),
    ),
    "smallest": (
        *("edge,\\:", 3, None, "-9999999999999999.99", "EUR", "paid", -(2**31), -(2**63), "-9999999.999", None),
        *("1582-10-15", None, "0001-01-01 00:00:00+00", "1969-12-31 23:59:59.999999+00"),
    ),
    "nulls and texts that look like one": (
        *("edge,\\:", 4, "null", "1", "NULL", "paid", None, None, None, None),
        *(None, "null", MOMENT, MOMENT),
    ),
    "blanks": ("edge,\\:", 5, " ", "1.5", "\t", "paid", 1, 1, "1", None, "1969-12-31", "[1, [], {}]", MOMENT, MOMENT),
    "an empty key part and odd characters": (
        *("", 6, "\ufffd\u200d\U0001f6d2\u0001", "1.5", "EUR", "paid", 1, 1, "0.001", None),
        *("2028-02-29", '""', "9999-12-31 23:59:59.999999+00", MOMENT),
    ),
    # Between these reconciliation reckons in doubles.
    "first moments": (
        *("edge,\\:", 7, "a", "1.5", "EUR", "paid", 1, 1, "1", None),
        *("1899-12-31", None, "1899-12-31 23:59:59.999999+00", "1900-01-01 00:00:00.000001+00"),
    ),
    "last moments": (
        *("edge,\\:", 8, "a", "1.5", "EUR", "paid", 1, 1, "1", None),
        *("2100-01-01", None, "2099-12-31 23:59:59.999999+00", "2100-01-01 00:00:00.000001+00"),
    ),
}


def test_edges_of_every_type_arrive_exactly(endpoints: Endpoints, orders: Contract):
    with databases.postgresql(endpoints, "webshop") as connection:
        for values in EDGES.values():
            connection.execute("delete from shop.orders where (shop_code, order_no) = (%s, %s)", values[:2])
            connection.execute(f"insert into shop.orders values ({', '.join(['%s'] * len(values))})", values)
    agreement = wait_for_agreement(endpoints, orders, WITHIN_SECONDS)
    assert agreement.reached, str(agreement)
    assert "webshop:edge\\,\\\\:,1" in newest.in_pinot(endpoints, orders)
