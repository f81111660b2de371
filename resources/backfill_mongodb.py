"""A MongoDB collection whose documents are to be read again, and its collection of signals."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from bson import json_util
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from dropless import names
from dropless.backfill.signals import Signal
from dropless.backfill.slices import Key, Range, Selection
from dropless.contract import MongodbCollection
from dropless.databases import Document
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from resources import source_connections

_EXACT = json_util.CANONICAL_JSON_OPTIONS


class MongodbOrigin:
    """Reads keys and writes signals as the connector's own user; keys are extended JSON."""

    def __init__(self, endpoints: Endpoints, table: str, source: str, origin: MongodbCollection) -> None:
        self._endpoints = endpoints
        self._origin = origin
        self._signals = names.signal_collection(table, source)
        self._client: MongoClient[Document] | None = None

    @property
    def collection(self) -> str:
        """The collection, as a signal names it."""
        return f"{self._origin.database}.{self._origin.collection}"

    @staticmethod
    def parsed(text: str) -> Key:
        """A key as a person gives it: extended JSON such as {"$oid": "..."}, or else a string."""
        try:
            value = json_util.loads(text)
        except ValueError:
            value = text
        return (json_util.dumps(value, json_options=_EXACT),)

    def count(self, selection: Selection) -> int:
        """How many documents there are now."""
        with self._database() as database:
            return int(database[self._origin.collection].count_documents(_query(selection, Range())))

    def last(self, selection: Selection) -> Key | None:
        """The greatest key."""
        with self._database() as database:
            found = database[self._origin.collection].find(_query(selection, Range()), {"_id": 1})
            keys = [_key(each) for each in found.sort("_id", -1).limit(1)]
            return keys[0] if keys else None

    def slice(self, selection: Selection, rows: int, within: Range) -> list[Key]:
        """The first keys of a range, in their order."""
        with self._database() as database:
            found = database[self._origin.collection].find(_query(selection, within), {"_id": 1})
            return [_key(each) for each in found.sort("_id", 1).limit(rows)]

    @staticmethod
    def condition(selection: Selection, within: Range) -> str:
        """The query of a range, as extended JSON."""
        return json_util.dumps(_query(selection, within), json_options=_EXACT)

    def send(self, signal: Signal) -> None:
        """Write a signal, once."""
        # Debezium reads a signal's fields by their places.
        document = {"_id": signal.id, "type": signal.type, "payload": orjson.loads(signal.data)}
        with self._database() as database:
            try:
                database[self._signals].insert_one(document)
            except DuplicateKeyError:
                # Written before, and the answer was lost.
                return

    def written(self) -> dict[str, Signal]:
        """The documents of the signals' collection."""
        with self._database() as database:
            return {
                str(each["_id"]): Signal.read(str(each["_id"]), each["type"], _text(each.get("payload")))
                for each in database[self._signals].find()
            }

    def forget(self, ids: Collection[str]) -> None:
        """Delete documents of the signals' collection."""
        with self._database() as database:
            database[self._signals].delete_many({"_id": {"$in": list(ids)}})

    def close(self) -> None:
        """End the connection."""
        if self._client:
            self._client.close()
        self._client = None

    @contextmanager
    def _database(self) -> Iterator[Any]:
        name = self._origin.database
        try:
            with source_connections.answering_mongodb(name):
                if self._client is None:
                    self._client = source_connections.mongodb(self._endpoints, self._origin)
                yield self._client[name]
        except Unreachable:
            self.close()
            raise


def _query(selection: Selection, within: Range) -> Document:
    found: list[Document] = []
    if selection.keys:
        found.append({"_id": {"$in": [_value(key) for key in selection.keys]}})
    if selection.where is not None:
        found.append(_condition(selection.where))
    bounds = {"$gt": within.after, "$lte": within.last}
    if limits := {operator: _value(key) for operator, key in bounds.items() if key is not None}:
        found.append({"_id": limits})
    return {"$and": found} if found else {}


def _condition(text: str) -> Document:
    try:
        query = json_util.loads(text)
    except ValueError as error:
        raise DroplessError(f"The condition is not JSON, as a query of MongoDB must be: {error}.") from None
    if not isinstance(query, dict):
        raise DroplessError('The condition must be a query of MongoDB as JSON, such as {"status": "paid"}.')
    return query


def _key(document: Document) -> Key:
    return (json_util.dumps(document["_id"], json_options=_EXACT),)


def _value(key: Key) -> Any:
    return json_util.loads(key[0])


def _text(payload: Any) -> str:
    return payload if isinstance(payload, str) else json_util.dumps(payload)
