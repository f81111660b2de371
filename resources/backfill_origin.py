"""A source whose rows are to be read again, whichever database it is in."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from dropless.backfill.signals import Signal
from dropless.backfill.slices import Key, Range, Selection
from dropless.contract import Contract, Source
from dropless.endpoints import Endpoints
from resources.backfill_mongodb import MongodbOrigin
from resources.backfill_postgresql import PostgresqlOrigin


class Origin(Protocol):
    """Its keys, and its signals. Every method raises `Unreachable` when the database does not answer."""

    @property
    def collection(self) -> str:
        """The table or collection, as a signal names it."""

    def parsed(self, text: str) -> Key:
        """A key as a person gives it."""

    def count(self, selection: Selection) -> int:
        """How many rows there are now."""

    def last(self, selection: Selection) -> Key | None:
        """The greatest key; None without rows."""

    def slice(self, selection: Selection, rows: int, within: Range) -> list[Key]:
        """The first keys of a range, at most so many, in their order."""

    def condition(self, selection: Selection, within: Range) -> str:
        """The condition of a range, as a signal holds it."""

    def send(self, signal: Signal) -> None:
        """Write a signal; one that is there already is fine."""

    def written(self) -> dict[str, Signal]:
        """All rows of the signal table by their ids."""

    def forget(self, ids: Collection[str]) -> None:
        """Delete rows of the signal table."""

    def close(self) -> None:
        """End the connection; the next call makes a new one."""


def origin_of(endpoints: Endpoints, contract: Contract, source: Source) -> Origin:
    """The source's table or collection; nothing is connected yet."""
    if source.postgresql:
        return PostgresqlOrigin(endpoints, contract.name, source.name, source.postgresql)
    if source.mongodb:
        return MongodbOrigin(endpoints, contract.name, source.name, source.mongodb)
    raise AssertionError(source.name)
