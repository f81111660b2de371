"""Raw records as Debezium writes them."""

from __future__ import annotations

import json
from typing import Any

COMMITTED = 1_795_309_323_456_789
SOURCE = {
    "version": "3.7.0.Final",
    "connector": "postgresql",
    "ts_ms": COMMITTED // 1000,
    "snapshot": "false",
    "sequence": '["28638752","28638904"]',
    "ts_us": COMMITTED,
    "lsn": 28638904,
}

STORE = {
    "id": 12345,
    "customer_no": 991,
    "total_cents": 123456,
    "currency": "EUR",
    "state": "P",
    "pieces": 3,
    "points": 9007199254740993,
    "weight_g": 2500,
    "is_gift": False,
    "promised": 20600,
    "notes": '{"b": 1, "a": [1, 2.50]}',
    "created": 1_795_309_323_456_789,
    "changed": 1_782_900_000_000_001,
}
WEBSHOP = {
    "shop_code": "DE,1",
    "order_no": 4711,
    "customer_email": "a.b@example.org",
    "total": "1234.56",
    "currency": "EUR",
    "status": "sent",
    "quantity": 3,
    "bonus_points": None,
    "weight": "2.500",
    "gift_wrap": True,
    "delivery_date": -1,
    "attributes": None,
    "placed_at": "2026-11-21T23:02:03.123456Z",
    "updated_at": "2026-11-21T23:02:03Z",
}
MARKETPLACE = {
    "_id": {"$oid": "65f0c0ffee65f0c0ffee65f0"},
    "buyer": {"id": "b-1", "name": "N. N."},
    "total": {"value": {"$numberDecimal": "12.30"}, "currency": "EUR"},
    "status": "paid",
    "lines": {"count": 3, "weightKg": 1.5},
    "points": {"$numberLong": "9223372036854775807"},
    "gift": True,
    "promisedOn": {"$date": 1_795_305_600_000},
    "details": {"z": {"$numberLong": "1"}, "a": [{"$date": 0}, {"$numberDecimal": "0.10"}]},
    "createdAt": {"$date": 1_795_309_323_456},
    "updatedAt": {"$date": "2026-11-21T23:02:03.456Z"},
}
KEYS = {
    "store": b'{"id":12345}',
    "webshop": b'{"shop_code":"DE,1","order_no":4711}',
    "marketplace": b'{"id":"{\\"$oid\\": \\"65f0c0ffee65f0c0ffee65f0\\"}"}',
}
ROWS: dict[str, dict[str, Any]] = {"store": STORE, "webshop": WEBSHOP, "marketplace": MARKETPLACE}


def change(after: object, op: str = "c", before: object = None, **more: Any) -> bytes:
    """An envelope; a MongoDB document is given as its extended JSON text."""
    envelope = {"before": before, "after": after, "source": SOURCE, "transaction": None, "op": op} | more
    return json.dumps(envelope).encode()


def of(source: str, row: dict[str, Any] | None) -> object:
    """A row as it stands in the envelope of that example source."""
    return json.dumps(row) if source == "marketplace" and row is not None else row
