"""The web shop: PostgreSQL, a composite key, decimals, words for states, and UTC times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

from psycopg import sql
from psycopg.types.json import Jsonb

from dropless.example.orders import Status
from dropless.example.shop import PostgresqlShop, Values

DATABASE: Final = "webshop"
TABLES: Final = """
create schema if not exists shop;
create sequence if not exists shop.order_numbers;
create table if not exists shop.orders (
    shop_code text,
    order_no bigint,
    customer_email text,
    total numeric(18,2) not null,
    currency text not null,
    status text not null,
    quantity integer,
    bonus_points bigint,
    weight numeric(10,3),
    gift_wrap boolean,
    delivery_date date,
    attributes jsonb,
    placed_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (shop_code, order_no)
);
comment on column shop.orders.status is 'new, paid, sent, received, canceled';
comment on column shop.orders.weight is 'kilograms';
"""
_COLUMNS: Final = {
    "customer": "customer_email",
    "amount_cents": "total",
    "currency": "currency",
    "status": "status",
    "items": "quantity",
    "points": "bonus_points",
    "weight_g": "weight",
    "gift": "gift_wrap",
    "promised": "delivery_date",
    "details": "attributes",
}
# Codes with what a composite key's text form must escape.
_SHOPS: Final = ("de", "at", "ch", "a,b", "back\\slash", "ünï", "")


class Webshop(PostgresqlShop):
    """The web shop's orders, keyed by a shop's code and a number."""

    table = sql.Identifier("shop", "orders")
    key = ("shop_code", "order_no")
    status_column = "status"
    states: ClassVar[Mapping[Status, str]] = {
        Status.PLACED: "new",
        Status.PAID: "paid",
        Status.SHIPPED: "sent",
        Status.DELIVERED: "received",
        Status.CANCELLED: "canceled",
    }
    faults = ("unknown status", "not a number", "infinite time", "far time")

    def reserve(self, count: int) -> list[tuple[Any, ...]]:
        """Numbers from the shop's sequence, spread over the shop codes."""
        query = "select nextval('shop.order_numbers') from generate_series(1, %s)"
        numbers = [number for (number,) in self._connection.execute(query, [count])]
        self._connection.commit()
        return [(_SHOPS[number % len(_SHOPS)], number) for number in reversed(numbers)]

    def columns(self, values: Values, at: datetime) -> dict[str, Any]:
        """The web shop's words and units for these fields."""
        row = {_COLUMNS[name]: self._typed(name, value) for name, value in values.items() if name in _COLUMNS}
        return row | {"updated_at": at}

    def placed(self, at: datetime) -> dict[str, Any]:
        """A timestamp with its zone."""
        return {"placed_at": at}

    def spoil(self, row: dict[str, Any], fault: str) -> None:
        """Give a new row the named fault."""
        match fault:
            case "unknown status":
                row["status"] = "lost"
            case "not a number":
                row["total"] = Decimal("NaN")
            case "infinite time":
                row["placed_at"] = "infinity"
            case "far time":
                row["placed_at"] = "294276-01-01 00:00:00"

    def _typed(self, name: str, value: Any) -> Any:
        match name:
            case "customer":
                return None if value % 10 == 0 else f"kunde.{value}@exämple.org"
            case "amount_cents":
                return Decimal(value).scaleb(-2)
            case "status":
                return self.states[value]
            case "weight_g" if value is not None:
                return Decimal(value).scaleb(-3)
            case "details" if value is not None:
                return Jsonb(value)
            case _:
                return value
