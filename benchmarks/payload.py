"""Debezium's full envelopes of the example's three shops, the same for the same seed.

Each order lives through a creation, an update with its row before and after, and a deletion with its
tombstone; the lives overlap, as they do in a shop.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

import orjson

from dropless.example.fields import random_fields

BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
# How many orders are alive at a time.
ALIVE: Final = 500
_EPOCH: Final = date(1970, 1, 1)

Values = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """One raw record and the source whose topic it belongs in; a tombstone has no value."""

    source: str
    key: bytes
    value: bytes | None


def records(seed: int, lives: int) -> Iterator[Record]:
    """Four records for each of so many orders, shared equally by the three shops."""
    pick = Random(seed)
    shops = (_Store(), _Webshop(), _Marketplace())
    living: dict[int, Values] = {}
    for step in range(lives + 2 * ALIVE):
        at = BEGAN + timedelta(milliseconds=7 * step)
        if step < lives:
            living[step] = random_fields(pick) | {"status": 0, "placed": at, "changed": at}
            yield shops[step % 3].record("c", step, None, living[step])
        updated = step - ALIVE
        if updated in living:
            before = living[updated]
            living[updated] = before | {"status": 1, "points": pick.randint(0, 5_000), "changed": at}
            yield shops[updated % 3].record("u", step, before, living[updated], updated)
        ended = step - 2 * ALIVE
        if ended in living:
            deletion = shops[ended % 3].record("d", step, living.pop(ended), None, ended)
            yield deletion
            yield Record(deletion.source, deletion.key, None)


class _Shop:
    """How one source writes an order."""

    name: str

    def record(
        self, op: str, step: int, before: Values | None, after: Values | None, number: int | None = None
    ) -> Record:
        number = step if number is None else number
        changed = (BEGAN + timedelta(milliseconds=7 * step)).timestamp()
        micros = int(changed * 1_000_000)
        envelope = {
            "before": self.state(number, before) if before else None,
            "after": self.state(number, after) if after else None,
            **self.more(before, after),
            "source": {
                "version": "3.7.0.Final",
                "connector": "postgresql",
                "name": f"orders.{self.name}",
                "ts_ms": micros // 1000,
                "snapshot": "false",
                "db": self.name,
                "sequence": f'["{28_638_752 + 400 * step}","{28_638_904 + 400 * step}"]',
                "ts_us": micros,
                "ts_ns": micros * 1000,
                **self.place(step),
            },
            "transaction": None,
            "op": op,
            "ts_ms": micros // 1000 + 12,
            "ts_us": micros + 12_345,
            "ts_ns": micros * 1000 + 12_345_678,
        }
        return Record(self.name, orjson.dumps(self.key(number)), orjson.dumps(envelope))

    def key(self, number: int) -> Values:
        raise NotImplementedError

    def state(self, number: int, values: Values) -> object:
        raise NotImplementedError

    def place(self, step: int) -> Values:
        raise NotImplementedError

    def more(self, _before: Values | None, _after: Values | None) -> Values:
        return {}


class _Store(_Shop):
    name = "store"

    def key(self, number: int) -> Values:
        return {"id": number}

    def state(self, number: int, values: Values) -> object:
        return {
            "id": number,
            "customer_no": values["customer"],
            "total_cents": values["amount_cents"],
            "currency": values["currency"],
            "state": "NP"[values["status"]],
            "pieces": values["items"],
            "points": values["points"],
            "weight_g": values["weight_g"],
            "is_gift": values["gift"],
            "promised": _days(values["promised"]),
            "notes": _document(values["details"]),
            "created": _micros(values["placed"]),
            "changed": _micros(values["changed"]),
        }

    def place(self, step: int) -> Values:
        return {"schema": "public", "table": "orders", "txId": step, "lsn": 28_638_904 + 400 * step, "xmin": None}


class _Webshop(_Shop):
    name = "webshop"

    def key(self, number: int) -> Values:
        return {"shop_code": ("de", "at", "ch", "a,b")[number % 4], "order_no": number}

    def state(self, number: int, values: Values) -> object:
        customer, weight = values["customer"], values["weight_g"]
        return {
            **self.key(number),
            "customer_email": None if customer % 10 == 0 else f"kunde.{customer}@exämple.org",
            "total": str(Decimal(values["amount_cents"]).scaleb(-2)),
            "currency": values["currency"],
            "status": ("new", "paid")[values["status"]],
            "quantity": values["items"],
            "bonus_points": values["points"],
            "weight": None if weight is None else str(Decimal(weight).scaleb(-3)),
            "gift_wrap": values["gift"],
            "delivery_date": _days(values["promised"]),
            "attributes": _document(values["details"]),
            "placed_at": _zoned(values["placed"]),
            "updated_at": _zoned(values["changed"]),
        }

    def place(self, step: int) -> Values:
        return {"schema": "shop", "table": "orders", "txId": step, "lsn": 28_638_904 + 400 * step, "xmin": None}


class _Marketplace(_Shop):
    name = "marketplace"

    def key(self, number: int) -> Values:
        return {"id": json.dumps({"$oid": f"{number:024x}"})}

    def state(self, number: int, values: Values) -> object:
        customer, weight, promised = values["customer"], values["weight_g"], values["promised"]
        document = {
            "_id": {"$oid": f"{number:024x}"},
            "buyer": {"id": None if customer % 10 == 0 else f"B-{customer:06d}", "name": values["name"]},
            "total": {
                "value": {"$numberDecimal": str(Decimal(values["amount_cents"]).scaleb(-2))},
                "currency": values["currency"],
            },
            "status": ("placed", "paid")[values["status"]],
            "lines": {"count": values["items"], "weightKg": None if weight is None else weight / 1000},
            **_long("points", values["points"]),
            **({} if values["gift"] is None else {"gift": values["gift"]}),
            **({} if promised is None else {"promisedOn": {"$date": 86_400_000 * (promised - _EPOCH).days}}),
            "details": values["details"],
            "createdAt": {"$date": _micros(values["placed"]) // 1000},
            "updatedAt": {"$date": _micros(values["changed"]) // 1000},
        }
        # As MongoDB's driver writes extended JSON: with spaces, and other alphabets as they are.
        return json.dumps(document, ensure_ascii=False)

    def place(self, step: int) -> Values:
        return {"collection": "orders", "ord": step % 50 + 1, "lsid": None, "txnNumber": None, "wallTime": None}

    def more(self, before: Values | None, after: Values | None) -> Values:
        if before is None or after is None:
            return {"updateDescription": None}
        fields = {"status": "paid", **_long("points", after["points"])}
        fields["updatedAt"] = {"$date": _micros(after["changed"]) // 1000}
        return {
            "updateDescription": {"removedFields": None, "updatedFields": json.dumps(fields), "truncatedArrays": None}
        }


def _days(day: date | None) -> int | None:
    return None if day is None else (day - _EPOCH).days


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def _zoned(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _document(details: Mapping[str, Any] | None) -> str | None:
    # As jsonb is told: with spaces.
    return None if details is None else json.dumps(details, ensure_ascii=False)


def _long(name: str, value: int | None) -> Values:
    return {name: None if value is None else {"$numberLong": str(value)}}
