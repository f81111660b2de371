"""The databases of a captured table under traffic, and what was committed in them."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from bson import Int64
from captured import FIRST_MARKER, Captured
from pymongo.errors import DuplicateKeyError, PyMongoError

from dropless import databases

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = 400
PAUSE_SECONDS = 0.02
INSERT = "insert into public.items values (%s, %s, %s, %s)"

Change = tuple[str, int | None, int | None]
"""Operation (c, u, d, t), key, and the number of the version that it made or deleted."""


def values(number: int, change: int) -> tuple[Int64, Int64, str, datetime]:
    """A row; each change has a time of its own, in the milliseconds that MongoDB keeps."""
    return Int64(number), Int64(change), f"change {change} of {number}, ü", AT + timedelta(milliseconds=change)


def unified(number: int, change: int, note: str | None, at: datetime) -> dict[str, Any]:
    """The row as the unified table must show it."""
    microseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return {"item": int(number), "change": int(change), "note": note, "changed_at": microseconds}


class Traffic(threading.Thread):
    """Small transactions all the time, whatever becomes of the server; `acknowledged` is the newest change known in."""

    def __init__(self, captured: Captured, source: str, seed: int) -> None:
        super().__init__(name=source, daemon=True)
        self.source = source
        self.acknowledged: Change | None = None
        self.failures = 0
        self._captured = captured
        self._database = captured.database(source)
        self._random = random.Random(seed)
        self._changes = itertools.count(1)
        self._ended = threading.Event()

    def finish(self) -> None:
        self._ended.set()
        self.join(60)
        assert not self.is_alive(), f"the traffic in {self.source} is stuck"

    def paused(self) -> bool:
        return self._ended.wait(PAUSE_SECONDS)


class PostgresqlTraffic(Traffic):
    """Inserts, updates and deletes, one to five in a transaction."""

    def run(self) -> None:
        while not self.paused():
            try:
                with databases.postgresql(self._captured.endpoints, self._database, "admin") as connection:
                    while not self.paused():
                        self._transaction(connection)
            except psycopg.OperationalError:
                self.failures += 1

    def _transaction(self, connection: psycopg.Connection[Any]) -> None:
        last: Change | None = None
        for _ in range(self._random.randint(1, 5)):
            number, change = self._random.randrange(KEYS), next(self._changes)
            if self._random.random() < 0.2:
                connection.execute("delete from public.items where id = %s", [number])
                continue
            row = values(number, change)
            made = "insert into public.items values (%s, %s, %s, %s) on conflict (id) do update set "
            statement = made + "change = excluded.change, note = excluded.note, at = excluded.at returning xmax = 0"
            found = connection.execute(statement, row).fetchone()
            last = ("c" if found and found[0] else "u", number, change)
        connection.commit()
        self.acknowledged = last or self.acknowledged


class MongodbTraffic(Traffic):
    """Inserts, updates and deletes; each document says which changes made it, so a doubtful one can be looked up."""

    def __init__(self, captured: Captured, source: str, seed: int) -> None:
        super().__init__(captured, source, seed)
        self.committed: Counter[Change] = Counter()
        self._doubtful: list[Change] = []
        self._present: dict[int, int] = {}

    def run(self) -> None:
        with databases.mongodb(self._captured.endpoints, "admin") as client:
            items = client[self._database]["items"]
            while not self.paused():
                change = self._next()
                try:
                    self._write(items, change)
                except PyMongoError:
                    self.failures += 1
                    self._doubtful.append(change)
                else:
                    self.committed[change] += 1
                    self.acknowledged = change

    def settle(self) -> Counter[Change]:
        """Everything that was committed, once the traffic has ended."""
        with databases.mongodb(self._captured.endpoints, "admin") as client:
            found = {each["_id"]: set(each.get("history", ())) for each in client[self._database]["items"].find()}
        for op, number, change in self._doubtful:
            done = number not in found if op == "d" else change in found.get(number, ())
            if done:
                self.committed[op, number, change] += 1
        self._doubtful.clear()
        return self.committed

    def _next(self) -> Change:
        number, change = self._random.randrange(KEYS), next(self._changes)
        doubtful = {each[1] for each in self._doubtful}
        while number in doubtful:
            number = self._random.randrange(KEYS)
        if number not in self._present:
            self._present[number] = change
            return "c", number, change
        if self._random.random() < 0.2:
            return "d", number, self._present.pop(number)
        self._present[number] = change
        return "u", number, change

    def _write(self, items: Any, change: Change) -> None:
        op, number, version = change
        assert number is not None
        assert version is not None
        # The driver repeats a write whose answer was lost: each is such that a second time does nothing.
        if op == "d":
            items.delete_one({"_id": Int64(number)})
            return
        key, _, note, at = values(number, version)
        fields = {"change": Int64(version), "note": note, "at": at}
        if op == "u":
            written = {"$set": fields, "$push": {"history": Int64(version)}}
            items.update_one({"_id": key, "history": {"$ne": Int64(version)}}, written)
            return
        try:
            items.insert_one({"_id": key, **fields, "history": [Int64(version)]})
        except DuplicateKeyError:
            if items.count_documents({"_id": key, "history": Int64(version)}) == 0:
                raise


class PostgresqlSource:
    """What a test does in a PostgreSQL database by hand, and what was committed there."""

    def __init__(self, captured: Captured, source: str) -> None:
        self._captured, self._database = captured, captured.database(source)

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        with databases.postgresql(self._captured.endpoints, self._database, "admin") as connection:
            yield connection

    def copy(self, numbers: Iterable[int]) -> None:
        """One COPY, one transaction; a row's change is its key."""
        with (
            self.transaction() as connection,
            connection.cursor() as cursor,
            cursor.copy("copy public.items from stdin") as copy,
        ):
            for number in numbers:
                copy.write_row(values(number, number))

    def journal(self) -> Counter[Change]:
        with self.transaction() as connection:
            noted = connection.execute(
                "select op, id, change from public.journal where id is null or id < %s", [FIRST_MARKER]
            )
            return Counter((op, number, change) for op, number, change in noted)

    def rows(self) -> dict[int, dict[str, Any]]:
        with self.transaction() as connection:
            return {row[0]: unified(*row) for row in connection.execute("table public.items")}


class MongodbSource:
    """The same of a MongoDB database."""

    def __init__(self, captured: Captured, source: str) -> None:
        self._captured, self._database = captured, captured.database(source)

    def insert(self, numbers: Iterable[int]) -> None:
        with databases.mongodb(self._captured.endpoints, "admin") as client:
            client[self._database]["items"].insert_many(
                {"_id": key, "change": change, "note": note, "at": at}
                for key, change, note, at in (values(number, number) for number in numbers)
            )

    def delete(self, numbers: Iterable[int]) -> None:
        with databases.mongodb(self._captured.endpoints, "admin") as client:
            client[self._database]["items"].delete_many({"_id": {"$in": [Int64(number) for number in numbers]}})

    def rows(self) -> dict[int, dict[str, Any]]:
        with databases.mongodb(self._captured.endpoints, "admin") as client:
            return {
                each["_id"]: unified(each["_id"], each["change"], each["note"], each["at"])
                for each in client[self._database]["items"].find()
            }
