"""Debezium's envelope: what happened to which row, and when it was committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from dropless.contract import Source
from dropless.union import canonical_json
from dropless.union.extended_json import plain
from dropless.union.moments import FIRST, LAST
from dropless.union.outcome import Unmappable
from dropless.union.update_description import Unusable, updated

_AFTER: Final = frozenset({"c", "u", "r"})
PREFIX_END: Final = ":"
"""Stands between the source's name and the primary key."""
TRUNCATE: Final = "truncate: the source's table was emptied, which names no keys; reconciliation removes its rows."


class Malformed(Exception):
    """A record that is not a change of a row; the message is the dead letter's reason."""


class Change(NamedTuple):
    """A change of one row; `row` is its state after it, or before a deletion (empty when unknown)."""

    op: str
    row: Mapping[str, Any]
    committed_at_us: int


def change_reader(source: Source) -> Callable[[bytes], Change]:
    """The function that reads a raw record's value; it raises `Malformed`."""
    state = _document if source.mongodb else _row

    def read(value: bytes) -> Change:
        try:
            envelope = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise Malformed(f"The value is not valid JSON: {error.msg}.") from None
        if not isinstance(envelope, dict) or not isinstance(envelope.get("op"), str):
            raise Malformed("The value is not a change event: it has no `op`.")
        op = envelope["op"]
        row: dict[str, Any] | None = None
        if op in _AFTER:
            row = state(envelope.get("after"))
            if row is None:
                row = _reconstructed(envelope, source)
        elif op == "d":
            row = _before(envelope, state)
        elif op == "t":
            raise Malformed(TRUNCATE)
        else:
            raise Malformed(f"The change's `op` is {op[:10]!r}; it must be c, u, d, r or t.")
        return Change(op, row or {}, _committed(envelope.get("source")))

    return read


def key_reader(source: Source) -> Callable[[bytes | None], str]:
    """The function that reads a raw record's key to `<source>:<primary key>`; it raises `Malformed`."""
    columns = key_columns(source)
    part = document_id if source.mongodb else key_part
    prefix = f"{source.name}{PREFIX_END}"
    single = columns[0] if len(columns) == 1 else None

    def read(key: bytes | None) -> str:
        if key is None:
            raise Malformed("The record has no key: the source's table needs a primary key.")
        try:
            values = orjson.loads(key)
        except orjson.JSONDecodeError:
            raise Malformed("The key is not valid JSON.") from None
        if not isinstance(values, dict):
            raise Malformed("The key is not an object of the primary key's columns.")
        try:
            if single is not None:
                return prefix + part(values[single])
            return prefix + ",".join([part(values[column]) for column in columns])
        except KeyError as missing:
            raise Malformed(f"The key lacks {missing}, which the contract names as a part of it.") from None
        except Unmappable as reason:
            raise Malformed(f"The key {reason.why}.") from None

    return read


def key_columns(source: Source) -> tuple[str, ...]:
    """The fields of a source's raw keys."""
    # Debezium calls MongoDB's _id `id`, and writes it as extended JSON.
    return ("id",) if source.mongodb else tuple(source.key)


def _row(state: Any) -> dict[str, Any] | None:
    if state is None or isinstance(state, dict):
        return state
    raise Malformed("The change's row is not an object.")


def _document(state: Any) -> dict[str, Any] | None:
    if state is None:
        return None
    if not isinstance(state, str):
        raise Malformed("The change's document is not text.")
    try:
        document = orjson.loads(state)
    except orjson.JSONDecodeError:
        why = "; NaN and Infinity cannot be said in JSON" if "NaN" in state or "Infinity" in state else ""
        raise Malformed(f"The change's document is not valid JSON{why}.") from None
    if isinstance(document, dict):
        return document
    raise Malformed("The change's document is not an object.")


def _before(envelope: Mapping[str, Any], state: Callable[[Any], dict[str, Any] | None]) -> dict[str, Any]:
    # A deletion counts even if nobody can read what was deleted: its key is enough.
    try:
        return state(envelope.get("before")) or {}
    except Malformed:
        return {}


def _reconstructed(envelope: Mapping[str, Any], source: Source) -> dict[str, Any]:
    if not source.mongodb or envelope["op"] != "u":
        raise Malformed("The change has no `after`, the row as it was after it.")
    before, description = _before(envelope, _document), envelope.get("updateDescription")
    if not before or not isinstance(description, dict):
        raise Malformed("The update has no `after`: switch the collection's pre- and post-images on.")
    try:
        return updated(before, description)
    except Unusable:
        raise Malformed("The update has no `after`, and its description does not fit its `before`.") from None


def _committed(source: Any) -> int:
    if isinstance(source, dict):
        for name, factor in (("ts_us", 1), ("ts_ms", 1000)):
            value = source.get(name)
            if type(value) is int:
                if FIRST <= value * factor <= LAST:
                    return value * factor
                raise Malformed(f"The change's `source.{name}` is not a time in the years 1 to 9999.")
    raise Malformed("The change has no commit time: `source.ts_us` is missing.")


def key_part(value: Any) -> str:
    """A part of a primary key as it stands in a unified key; it raises `Unmappable`."""
    # Numbers first: most keys are one.
    if type(value) is int:
        return str(value)
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if value is None:
        raise Unmappable("has a part that is null")
    return _escaped(canonical_json.dumps(value))


def document_id(value: Any) -> str:
    """A document's `_id`, written as extended JSON, as it stands in a unified key; it raises `Unmappable`."""
    if not isinstance(value, str):
        raise Unmappable("has an id that is not text")
    return key_part(plain(canonical_json.loads(value)))


def _escaped(text: str) -> str:
    if "\0" in text:
        raise Unmappable("holds a NUL character")
    return text.replace("\\", "\\\\").replace(",", "\\,") if "," in text or "\\" in text else text
