"""Contracts for tests: the example's, a small one with one source, and one with four."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dropless.contract import Contract, parse_contract
from dropless.endpoints import Endpoints
from dropless.settings import PROJECT, Settings, Topology

COMPONENT = "pipeline_assets.components.UnifiedTable"
ORDERS_FILE = PROJECT / "pipeline_assets" / "defs" / "orders" / "defs.yaml"

SENSORS: dict[str, Any] = {
    "name": "readings",
    "columns": [
        {"name": "value", "type": "double"},
        {"name": "taken_at", "type": "timestamp", "nullable": False},
    ],
    "time_column": "taken_at",
    "sources": [
        {
            "name": "plant",
            "postgresql": {"database": "plant", "table": "public.readings", "key": ["id"]},
            "columns": {"value": "celsius", "taken_at": "at"},
        }
    ],
    "partitions": 1,
}


def postgresql(name: str, columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "postgresql": {"database": name, "table": "public.items", "key": ["id"], **more},
        "columns": columns,
    }


def mongodb(name: str, columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "mongodb": {"database": name, "collection": "items", **more}, "columns": columns}


FOUR: dict[str, Any] = {
    "name": "stock",
    "description": "What lies in four warehouses.",
    "columns": [
        {"name": "item", "type": "string", "nullable": False},
        {"name": "site", "type": "string", "allowed": ["north", "south", "east", "west"]},
        {"name": "pieces", "type": "long"},
        {"name": "counted_at", "type": "timestamp", "nullable": False},
    ],
    "time_column": "counted_at",
    "sources": [
        postgresql(
            "north",
            {"item": "id", "site": {"constant": "north"}, "pieces": "n", "counted_at": "at"},
            table='"Ware.house"."Stück, ""lager"""',
            key=["id", "shelf"],
        ),
        postgresql(
            "south",
            {"item": "id", "site": {"constant": "south"}, "pieces": {"from": "n", "default": 0}, "counted_at": "at"},
        ),
        mongodb(
            "east", {"item": "_id", "site": {"constant": "east"}, "pieces": "count.total", "counted_at": "countedAt"}
        ),
        mongodb("west", {"item": "_id", "site": {"from": "place", "values": {1: "west"}}, "counted_at": "at"}),
    ],
}


# Sources that were renamed, come later, or may only have what is known.
CHANGING: dict[str, Any] = {
    "name": "changing",
    "schema_policy": "quarantine",
    "columns": [
        {"name": "pieces", "type": "long"},
        {"name": "price", "type": "decimal(10,2)", "nullable": False},
        {"name": "place", "type": "string"},
        {"name": "note", "type": "string"},
        {"name": "at", "type": "timestamp", "nullable": False},
    ],
    "time_column": "at",
    "sources": [
        postgresql(
            "strict",
            {
                "pieces": {"from": ["n", "count"]},
                "price": "price",
                "place": {"from": ["address.city", "location.city"]},
                "note": {"from": "note", "optional": True},
                "at": "at",
            },
        )
        | {"ignore": ["junk"]},
        postgresql(
            "loose",
            {
                "pieces": {"from": ["n", "count"], "optional": True},
                "price": {"from": ["price", "total"], "divide": 100},
                "place": {"from": ["address.city", "location.city"], "optional": True},
                "note": {"from": ["note", "junk"], "values": {"a": "A"}},
                "at": "at",
            },
        )
        | {"schema_policy": "evolve"},
        mongodb(
            "documents",
            {
                "pieces": {"from": ["n", "count"]},
                "price": {"from": ["price", "total"], "default": 1},
                "place": {"from": ["address.city", "location.city"]},
                "note": "note",
                "at": "at",
            },
        )
        | {"ignore": ["junk"]},
    ],
}


def orders() -> Contract:
    return parse_contract(ORDERS_FILE)


def contract(attributes: dict[str, Any]) -> Contract:
    return Contract.from_attributes(attributes)


def one_column(column: dict[str, Any], expression: object, *, mongo: bool = False) -> Contract:
    """A contract of one tested column `x` beside the time column."""
    make = mongodb if mongo else postgresql
    columns: dict[str, Any] = {"at": {"constant": "2026-01-01T00:00:00Z"}}
    if expression is not None:
        columns["x"] = expression
    return Contract.from_attributes(
        {
            "name": "things",
            "columns": [{"name": "x", **column}, {"name": "at", "type": "timestamp", "nullable": False}],
            "time_column": "at",
            "sources": [make("shop", columns)],
        }
    )


def endpoints() -> Endpoints:
    """The addresses of an installation that is only spoken of."""
    nowhere = Path("/installation")
    return Endpoints.local(Settings(nowhere, nowhere / "cache", nowhere / "contracts", 17000, Topology.COMPACT))
