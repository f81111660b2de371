"""A MongoDB collection as reconciliation reads it: every document once, hashed by us, and single ones by their keys.

MongoDB has no hash that it could sum up, and a read at a cluster time needs sharding or a snapshot session; a document
that changes while the collection is read is among the keys that were touched, and is looked at again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from bson import Decimal128, Int64, ObjectId, json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from pymongo import MongoClient
from pymongo.collection import Collection as MongoCollection

from dropless.backfill.slices import SLICE_SECONDS, Key, Pace
from dropless.contract import Contract, MongodbCollection, Source
from dropless.databases import Document
from dropless.endpoints import Endpoints
from dropless.reconciliation.canonical import Hasher, Split, Values, bucket
from dropless.reconciliation.keys import parts_of
from dropless.reconciliation.mapped import Refused, mapped
from dropless.reconciliation.pairs import Pair
from dropless.reconciliation.where import Where
from dropless.union.envelope import PREFIX_END, key_part
from dropless.union.extended_json import plain
from resources import source_connections

BATCH: Final = 1000
CHUNK_ROWS: Final = 10_000
OBJECT_ID_DIGITS: Final = 24
# Moments outside of the calendar are numbers, too, instead of errors.
_CODEC: Final = CodecOptions[Document](tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_MS)

_EXACT: Final = json_util.CANONICAL_JSON_OPTIONS

Progress = Callable[[int], None]


class MongodbSide:
    """One collection. Every method raises `Unreachable` when the database does not answer."""

    def __init__(
        self,
        endpoints: Endpoints,
        contract: Contract,
        source: Source,
        origin: MongodbCollection,
        where: Where | None = None,
    ) -> None:
        """`origin` is the source's collection; `where` chooses among its pairs, and nothing else."""
        self._where = where
        self._endpoints = endpoints
        self._origin = origin
        self._prefix = f"{source.name}{PREFIX_END}"
        self._source = source.name
        self._mapping = mapped(contract, source)
        self._fields = dict.fromkeys([*source.taken, "_id"], 1)
        self.split = Split.whole(contract)
        self._hasher = Hasher(self.split)
        self._client: MongoClient[Document] | None = None
        self.rows_read = 0
        self.seconds = 0.0

    def pairs(self, rate: float | None, progress: Progress, *, keys_only: bool = False) -> Iterator[Pair]:
        """Every document's key and hashes; `rate` caps the documents a second."""
        pace = Pace(rate)
        chunk = CHUNK_ROWS if rate is None else max(1, int(rate * SLICE_SECONDS))
        with self._asked() as collection:
            fields = {"_id": 1} if keys_only and self._where is None else self._fields
            read = 0
            for document in collection.find({}, fields).batch_size(BATCH):
                if pair := self._pair(document, keys_only=keys_only):
                    yield pair
                read += 1
                if read == chunk:
                    self._read(read, pace, progress)
                    time.sleep(pace.wait(time.monotonic()))
                    read = 0
            self._read(read, pace, progress)

    def _pair(self, document: Document, *, keys_only: bool) -> Pair | None:
        """A document's key and hashes; None where a condition leaves it out."""
        key = self._key(document["_id"])
        if keys_only and self._where is None:
            return self._source, key, bucket(key), 0, 0, 0
        row = self._mapping.row(wire(document))
        if self._where is not None and (isinstance(row, Refused) or not self._where.holds(row)):
            return None
        # A refused document is nowhere else: its key alone makes it differ.
        sums = (0, 0, 0) if keys_only or isinstance(row, Refused) else self._hasher.hashes(key, row)[1:]
        return (self._source, key, bucket(key), *sums)

    def rows(self, keys: Collection[str]) -> dict[str, Values | Refused]:
        """The documents of these keys as they are now, mapped; those that are not there are left out."""
        found: dict[str, Values | Refused] = {}
        with self._asked() as collection:
            for ids in self._ids(keys):
                for document in collection.find({"_id": {"$in": ids}}, self._fields):
                    key = self._key(document["_id"])
                    if key in keys:
                        found[key] = self._mapping.row(wire(document))
        self.rows_read += len(found)
        return found

    def backfill_keys(self, keys: Collection[str]) -> list[Key]:
        """The `_id`s of these documents, as a backfill takes them; those that are not there are left out."""
        with self._asked() as collection:
            found = [
                each["_id"] for ids in self._ids(keys) for each in collection.find({"_id": {"$in": ids}}, {"_id": 1})
            ]
        return [(json_util.dumps(each, json_options=_EXACT),) for each in found if self._key(each) in keys]

    def release(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _ids(self, keys: Collection[str]) -> Iterator[list[Any]]:
        ordered = sorted(keys)
        for first in range(0, len(ordered), BATCH):
            yield [each for key in ordered[first : first + BATCH] for each in _possible_ids(*parts_of(key))]

    def _read(self, rows: int, pace: Pace, progress: Progress) -> None:
        self.rows_read += rows
        pace.begun(rows, time.monotonic())
        progress(rows)

    def _key(self, id_: Any) -> str:
        return self._prefix + key_part(plain(_value(id_)))

    @contextmanager
    def _asked(self) -> Iterator[MongoCollection[Document]]:
        began = time.monotonic()
        with source_connections.answering_mongodb(self._origin.database):
            if self._client is None:
                self._client = source_connections.mongodb(self._endpoints, self._origin)
            yield self._client[self._origin.database].get_collection(self._origin.collection, codec_options=_CODEC)
        self.seconds += time.monotonic() - began


def wire(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document as Debezium writes it: extended JSON, of which numbers and texts are themselves."""
    return {name: _value(value) for name, value in document.items()}


def _value(value: Any) -> Any:
    match value:
        case str() | bool() | None:
            return value
        case Int64() | int():
            return int(value)
        case float():
            return value if value - value == 0 else {"$numberDouble": str(value)}
        case dict():
            return {name: _value(each) for name, each in value.items()}
        case list():
            return [_value(each) for each in value]
        case DatetimeMS():
            return {"$date": int(value)}
        case ObjectId():
            return {"$oid": str(value)}
        case Decimal128():
            return {"$numberDecimal": str(value)}
        case _:
            return json_util.default(value, json_options=json_util.RELAXED_JSON_OPTIONS)


def _possible_ids(text: str) -> Iterator[Any]:
    """Every `_id` that a unified key's part may be of: its text does not tell the type."""
    yield text
    # A text of twelve characters would count as the bytes of one.
    if len(text) == OBJECT_ID_DIGITS and ObjectId.is_valid(text):
        yield ObjectId(text)
    try:
        number = int(text)
    except ValueError:
        try:
            yield json_util.loads(text)
        except ValueError:
            return
    else:
        if -(2**63) <= number < 2**63:
            yield Int64(number)
