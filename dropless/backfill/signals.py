"""Signals: rows of a table in the source that Debezium reads as commands, and what they tell afterwards.

The formats are Debezium's (its documentation, "Sending signals to a Debezium connector"). What Debezium does not know
in a signal's data it passes over: there we keep what a backfill is and how far it has come.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from dropless.contract import PostgresqlTable
from dropless.contract.identifiers import join

EXECUTE: Final = "execute-snapshot"
LOG: Final = "log"
"""A signal that Debezium only writes into its log: our notes travel as such."""
OPENED: Final = "snapshot-window-open"
CLOSED: Final = "snapshot-window-close"
RUN_HEADER: Final = "__debezium.context.runId"
"""Which start of the connector's task wrote a record."""
_OURS: Final = "dropless"
_PLAIN = re.compile(r"\w+", re.ASCII)


class Note(StrEnum):
    """What a note says of a backfill."""

    BEGUN = "begun"
    PAUSED = "paused"
    RESUMED = "resumed"
    STOPPING = "stopping"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def ends(self) -> bool:
        """Whether nothing comes after it."""
        return self in (Note.COMPLETED, Note.STOPPED, Note.FAILED)


@dataclass(frozen=True)
class Signal:
    """A row of the signal table; `ours` is what we keep in it."""

    id: str
    type: str
    data: str
    ours: Mapping[str, Any]

    @classmethod
    def read(cls, id_: str, type_: str, data: str | None) -> Signal:
        """A row as it was found, by whomever it was written."""
        try:
            parsed = orjson.loads(data or "{}")
            ours = orjson.loads(parsed[_OURS])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            ours = {}
        return cls(id_, type_, data or "", ours if isinstance(ours, dict) else {})


def execute(id_: str, collection: str, condition: str, ours: Mapping[str, Any]) -> Signal:
    """The signal for one slice: the rows of a captured table that fulfil a condition."""
    data = {
        "type": "incremental",
        "data-collections": [collection],
        # An expression for names of tables; there is one.
        "additional-conditions": [{"data-collection": ".*", "filter": condition}],
    }
    return _signal(id_, EXECUTE, data, ours)


def probe(id_: str, why: str = "dropless begins a backfill") -> Signal:
    """A signal that changes nothing: once it comes out of the connector, so has everything that was committed before.

    Debezium logs why.
    """
    return _signal(id_, LOG, {"message": why}, {})


def note(id_: str, what: Note, text: str, ours: Mapping[str, Any]) -> Signal:
    """A note: Debezium logs its text."""
    return _signal(id_, LOG, {"message": text}, {**ours, "note": what.value})


def _signal(id_: str, type_: str, data: Mapping[str, Any], ours: Mapping[str, Any]) -> Signal:
    # As text within the text: MongoDB would give the numbers of a document types of its own.
    text = orjson.dumps({**data, _OURS: orjson.dumps(ours).decode()}).decode()
    return Signal(id_, type_, text, ours)


def postgresql_collection(table: PostgresqlTable) -> str:
    """The table as a signal names it.

    Debezium takes the text for a regular expression, puts the tables that it matches in its place, and otherwise
    reads it as a name. Only a quoted name can hold a dot or a quote.
    """
    parts = (table.schema_name, table.table_name)
    if any("." in part or '"' in part for part in parts):
        return join(parts)
    return ".".join(part if _PLAIN.fullmatch(part) else re.escape(part) for part in parts)


@dataclass(frozen=True)
class Seen:
    """A row of the signal table that came out of the connector."""

    signal: Signal
    run: str


def seen(value: bytes | None, headers: Mapping[str, str]) -> Seen | None:
    """The signal in a record of the signal topic; None for a row that was deleted, and for a tombstone."""
    envelope = orjson.loads(value) if value else {}
    row = envelope.get("after")
    if row is None:
        return None
    if isinstance(row, str):
        row = orjson.loads(row)
        data = row["payload"]
        text = data if isinstance(data, str) else orjson.dumps(data).decode()
        return Seen(Signal.read(str(row["_id"]), row["type"], text), headers.get(RUN_HEADER, ""))
    return Seen(Signal.read(row["id"], row["type"], row["data"]), headers.get(RUN_HEADER, ""))
