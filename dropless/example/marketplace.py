"""The marketplace: MongoDB, nested documents, ObjectIds, Decimal128, and times to the millisecond."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, Final

from bson import Decimal128, Int64, ObjectId
from pymongo import MongoClient
from pymongo.client_session import ClientSession

from dropless.databases import Document
from dropless.example.orders import Kind, Status
from dropless.example.shop import Due, Values

DATABASE: Final = "marketplace"
COLLECTION: Final = "orders"
# Field of an order -> where the document keeps it.
_PATHS: Final = {
    "amount_cents": "total.value",
    "currency": "total.currency",
    "status": "status",
    "items": "lines.count",
    "weight_g": "lines.weightKg",
    "points": "points",
    "gift": "gift",
    "promised": "promisedOn",
    "details": "details",
}


class Marketplace:
    """The marketplace's orders, keyed by an ObjectId; a key cannot change, so an order moves."""

    faults = ("unknown status", "text in a number", "not a number", "infinite number", "missing time", "text in a time")

    def __init__(self, client: MongoClient[Document]) -> None:
        """Take over a client."""
        self._client = client
        self._orders = client[DATABASE][COLLECTION]
        self._keys: dict[int, ObjectId] = {}

    def adopt(self, limit: int) -> list[Status]:
        """Take up to `limit` existing orders; those in an unknown state are left alone."""
        known = {status.value for status in Status}
        cursor = self._orders.find({}, {"status": True}).sort("_id").limit(limit)
        found = [(document["_id"], Status(document["status"])) for document in cursor if document["status"] in known]
        self._keys = {number: key for number, (key, _) in enumerate(found)}
        return [status for _, status in found]

    def commit(self, changes: Sequence[Due]) -> None:
        """Apply changes in order: one directly, several in one transaction."""
        if len(changes) == 1 and changes[0].change.kind is not Kind.REKEY:
            self._apply(changes[0], None)
            return
        with self._client.start_session() as session, session.start_transaction():
            for due in changes:
                self._apply(due, session)

    def count(self) -> int:
        """How many orders there are."""
        return self._orders.count_documents({})

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _apply(self, due: Due, session: ClientSession | None) -> None:
        change, number = due.change, due.change.number
        match change.kind:
            case Kind.PLACE | Kind.SPOIL | Kind.RESTORE:
                key = self._keys[number] if change.kind is Kind.RESTORE else ObjectId()
                document = {"_id": key} | _document(_paths(change.values, due.at) | {"createdAt": due.at})
                if change.fault:
                    _spoil(document, change.fault)
                else:
                    self._keys[number] = key
                self._orders.insert_one(document, session=session)
            case Kind.REMOVE:
                self._orders.delete_one({"_id": self._keys[number]}, session=session)
            case Kind.REKEY:
                moved = self._orders.find_one_and_delete({"_id": self._keys[number]}, session=session)
                if moved is not None:
                    self._keys[number] = ObjectId()
                    moved |= {"_id": self._keys[number], "updatedAt": due.at}
                    self._orders.insert_one(moved, session=session)
            case _:
                update = {"$set": _paths(change.values, due.at)}
                self._orders.update_one({"_id": self._keys[number]}, update, session=session)


def _paths(values: Values, at: datetime) -> dict[str, Any]:
    """The document's paths and types for these fields, as `$set` takes them."""
    paths: dict[str, Any] = {"updatedAt": at}
    for name, value in values.items():
        match name:
            case "customer":
                paths["buyer.id"] = None if value % 10 == 0 else f"B-{value:06d}"
            case "name":
                paths["buyer.name"] = value
            case "status":
                paths["status"] = value.value
            case _:
                paths[_PATHS[name]] = _typed(name, value)
    return paths


def _typed(name: str, value: Any) -> Any:
    if value is None:
        return None
    match name:
        case "amount_cents":
            return Decimal128(Decimal(value).scaleb(-2))
        case "weight_g":
            return value / 1000
        case "points":
            return Int64(value)
        case "promised":
            return datetime.combine(value, time(), UTC)
        case _:
            return value


def _document(paths: dict[str, Any]) -> Document:
    document: Document = {}
    for path, value in paths.items():
        parent, _, leaf = path.rpartition(".")
        # What is null in one document is absent from another, as happens in collections without a schema.
        if value is None and leaf in ("gift", "promisedOn"):
            continue
        (document.setdefault(parent, {}) if parent else document)[leaf] = value
    return document


def _spoil(document: Document, fault: str) -> None:
    match fault:
        case "unknown status":
            document["status"] = "lost"
        case "text in a number":
            document["total"]["value"] = "twelve"
        case "not a number":
            document["total"]["value"] = Decimal128("NaN")
        case "infinite number":
            document["lines"]["weightKg"] = float("inf")
        case "missing time":
            del document["createdAt"]
        case "text in a time":
            document["createdAt"] = "the day before yesterday"
