"""What the unified table must hold, read from the example's sources and converted by hand.

Nothing here knows the contract or the union's mapping: two ways to the same rows, so that an error
in either shows. Orders that the union must refuse are left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from bson import Decimal128
from psycopg.rows import dict_row

from dropless import databases
from dropless.endpoints import Endpoints
from dropless.example.load import SOURCES

Row = dict[str, Any]
"""A unified row by column: str, int, float, bool, Decimal, date, datetime in UTC, or None; JSON as compact text."""

_STORE_STATES: Final = {"N": "placed", "P": "paid", "S": "shipped", "D": "delivered", "X": "cancelled"}
_WEBSHOP_STATES: Final = {
    "new": "placed",
    "paid": "paid",
    "sent": "shipped",
    "received": "delivered",
    "canceled": "cancelled",
}
# What PostgreSQL can hold and nothing else can: not a number, and no moment of our calendar.
_STORE_ORDERS: Final = """
select *, notes::text as notes_text from public.orders
where state in ('N', 'P', 'S', 'D', 'X') and created between '0001-01-01' and '9999-12-31 23:59:59.999999'
"""
_WEBSHOP_ORDERS: Final = """
select *, attributes::text as attributes_text from shop.orders
where status in ('new', 'paid', 'sent', 'received', 'canceled') and total <> 'NaN'
and placed_at between '0001-01-01' and '9999-12-31 23:59:59.999999'
"""


def read(endpoints: Endpoints, sources: tuple[str, ...] = SOURCES) -> dict[str, Row]:
    """Every order of these sources by its unified key, each source as of one moment."""
    readers: dict[str, Callable[[Endpoints], Iterator[tuple[str, Row]]]] = {
        "store": _store,
        "webshop": _webshop,
        "marketplace": _marketplace,
    }
    return {key: row for source in sources for key, row in readers[source](endpoints)}


def _store(endpoints: Endpoints) -> Iterator[tuple[str, Row]]:
    with databases.postgresql(endpoints, "store") as connection, connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_STORE_ORDERS):
            yield (
                f"store:{row['id']}",
                {
                    "order_id": str(row["id"]),
                    "customer_id": str(row["customer_no"]),
                    "amount": Decimal(row["total_cents"]).scaleb(-2),
                    "currency": row["currency"],
                    "status": _STORE_STATES[row["state"]],
                    "item_count": row["pieces"],
                    "loyalty_points": row["points"],
                    "weight_kg": None if row["weight_g"] is None else row["weight_g"] / 1000,
                    "gift": row["is_gift"],
                    "promised_on": row["promised"],
                    "details": _canonical(row["notes_text"]),
                    "placed_at": _from_berlin(row["created"]),
                    "updated_at": _from_berlin(row["changed"]),
                },
            )


def _webshop(endpoints: Endpoints) -> Iterator[tuple[str, Row]]:
    with databases.postgresql(endpoints, "webshop") as connection, connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_WEBSHOP_ORDERS):
            code = row["shop_code"].replace("\\", "\\\\").replace(",", "\\,")
            yield (
                f"webshop:{code},{row['order_no']}",
                {
                    "order_id": str(row["order_no"]),
                    "customer_id": row["customer_email"],
                    "amount": row["total"],
                    "currency": row["currency"],
                    "status": _WEBSHOP_STATES[row["status"]],
                    "item_count": row["quantity"],
                    "loyalty_points": row["bonus_points"],
                    "weight_kg": None if row["weight"] is None else float(row["weight"]),
                    "gift": row["gift_wrap"],
                    "promised_on": row["delivery_date"],
                    "details": _canonical(row["attributes_text"]),
                    "placed_at": row["placed_at"].astimezone(UTC),
                    "updated_at": row["updated_at"].astimezone(UTC),
                },
            )


def _marketplace(endpoints: Endpoints) -> Iterator[tuple[str, Row]]:
    with databases.mongodb(endpoints) as client:
        for document in client["marketplace"]["orders"].find({}):
            if _refused(document):
                continue
            total, lines, promised = document["total"], document["lines"], document.get("promisedOn")
            points = document.get("points")
            details = None if document.get("details") is None else json.dumps(document["details"])
            yield (
                f"marketplace:{document['_id']}",
                {
                    "order_id": str(document["_id"]),
                    "customer_id": document["buyer"].get("id"),
                    "amount": total["value"].to_decimal(),
                    "currency": total.get("currency"),
                    "status": document["status"],
                    "item_count": lines.get("count"),
                    "loyalty_points": None if points is None else int(points),
                    "weight_kg": lines.get("weightKg"),
                    "gift": document.get("gift"),
                    "promised_on": None if promised is None else promised.date(),
                    "details": _canonical(details),
                    "placed_at": document["createdAt"],
                    "updated_at": document["updatedAt"],
                },
            )


def _refused(document: databases.Document) -> bool:
    value, weight = document["total"]["value"], document["lines"].get("weightKg")
    return (
        document["status"] not in _WEBSHOP_STATES.values()
        or not isinstance(value, Decimal128)
        or not value.to_decimal().is_finite()
        or not isinstance(document.get("createdAt"), datetime)
        or (weight is not None and not math.isfinite(weight))
    )


def _canonical(text: str | None) -> str | None:
    # As text, since a JSON null is a value and a NULL is none.
    if text is None:
        return None
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _from_berlin(local: datetime) -> datetime:
    # In the hour that happens twice, local time is ambiguous: the first of the two, as in the union.
    return local.replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=0).astimezone(UTC)
