"""A mapper of a source's common records, written as one Python function and compiled.

It leaves every other record to the plain mapping: tombstones, dead letters, whatever is not as Debezium
usually writes it. Both give the same bytes. What no column takes is not looked at, except for columns that the
contract does not know where those are to be quarantined.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from dropless.contract import Column, Contract, Expression, SchemaPolicy, Source
from dropless.contract.literals import LONG_RANGE
from dropless.names import raw_topic
from dropless.union.columns import MISSING, origin_reader
from dropless.union.envelope import PREFIX_END, document_id, key_columns, key_part
from dropless.union.inline import UNCOMMON, Uncommon, inline, uncommon
from dropless.union.moments import FIRST, LAST
from dropless.union.outcome import Mapper, Row

_Long = Annotated[int, msgspec.Meta(ge=LONG_RANGE[0], le=LONG_RANGE[1])]
_Value = str | _Long | float | bool | None
_OBJECT_ID: Final = re.compile(r'\{"\$oid": ?"([0-9a-f]{24})"\}')


def shortcut(plain: Mapper, contract: Contract, source: Source, fields: Sequence[str], first_position: int) -> Mapper:
    """The mapper of a source's raw topic that asks `plain` for all but the common records.

    `fields` are a unified row's: the system columns as `mapping` has them, then the contract's.
    """
    columns, topic = contract.columns, raw_topic(contract.name, source.name)
    time = [column.name for column in columns].index(contract.time_column)
    names: dict[str, Any] = {
        "plain": plain, "uncommon": uncommon, "UNCOMMON": UNCOMMON, "Row": Row, "new": tuple.__new__,
        "dumps": orjson.dumps, "document": _document, "source": source.name, "topic": topic,
        "first_position": first_position,
    }  # fmt: skip
    key = _key(source, names)
    reads, taken = [], _Taken(source, names)
    for number, column in enumerate(columns):
        value = inline(column, source, f"_{number}")
        names |= value.names
        reads += [*taken.read(column, number), f"c{number} = {value.code}"]
    known = source.known if contract.policy(source) is SchemaPolicy.QUARANTINE else None
    state = taken.struct(known=known) if source.postgresql else str
    names |= {
        "known": known,
        "decode": msgspec.json.Decoder(_envelope(state)).decode,
        "before": msgspec.json.Decoder(state).decode,
    }
    row = "before(change.before) if deleted else change.after"
    system = [
        "key",
        "source",
        "change.op",
        "deleted",
        "change.source.ts_us",
        "topic",
        "partition",
        "offset",
        "position",
    ]
    values = [*system, *(f"c{number}" for number in range(len(columns)))]
    written = ", ".join(f"{field!r}: {value}" for field, value in zip(fields, values, strict=True))
    lines = [
        "change = decode(value)",
        'deleted = change.op == "d"',
        f"row = {row if source.postgresql else f'document({row})'}",
        # Of a deletion nothing may be known but its key; that is for the plain mapping.
        "if not row: uncommon()",
        *(["if not row.keys() <= known: uncommon()"] if known is not None and source.mongodb else []),
        f"key = {key}",
        *reads,
        f"if deleted and c{time} is None: uncommon()",
        "position = first_position + offset",
    ]
    body = "\n            ".join([*lines, f"return new(Row, (key.encode(), dumps({{{written}}})))"])
    text = f"""
def mapper(raw_key, value, partition, offset):
    if value is not None and raw_key is not None:
        try:
            {body}
        except UNCOMMON:
            pass
    return plain(raw_key, value, partition, offset)
"""
    exec(compile(text, f"<mapper of {topic}>", "exec"), names)  # noqa: S102 - our own text, see `inline`
    mapper: Mapper = names["mapper"]
    return mapper


class _Taken:
    """The source's columns that are taken, each a field of the row's struct or of the document."""

    def __init__(self, source: Source, names: dict[str, Any]) -> None:
        self._source = source
        self._names = names
        self._fields: dict[str, str] = {}
        self._required: set[str] = set()
        names |= {"UNSET": UNSET, "MISSING": MISSING}

    def read(self, column: Column, number: int) -> list[str]:
        """Lines after which `v` is the value that a column's expression works on."""
        expression = self._source.columns.get(column.name)
        if expression is None or expression.constant is not None:
            return []
        read = f"read_{number}"
        self._names[read] = origin_reader(expression, mongodb=self._source.mongodb is not None)
        if self._source.postgresql:
            return self._of_columns(expression, read)
        return self._of_document(expression, read)

    def _of_columns(self, expression: Expression, read: str) -> list[str]:
        if len(expression.paths) == 1 and not expression.optional:
            first, *inner = expression.paths[0]
            field = self._field(first)
            self._required.add(first)
            return [f"v = {read}({{{first!r}: row.{field}}})" if inner else f"v = row.{field}"]
        fields = [(path[0], self._field(path[0])) for path in expression.paths]
        # In no column: that is for the plain mapping, unless a row may lack it.
        absent = "v = None" if expression.optional else "uncommon()"
        if len(expression.paths[0]) == 1:
            rest = [f"if v is UNSET: v = row.{field}" for _, field in fields[1:]]
            return [f"v = row.{fields[0][1]}", *rest, f"if v is UNSET: {absent}"]
        pairs = ", ".join(f"({name!r}, row.{field})" for name, field in fields)
        return [f"v = {read}({{name: x for name, x in ({pairs},) if x is not UNSET}})", f"if v is MISSING: {absent}"]

    def _of_document(self, expression: Expression, read: str) -> list[str]:
        if len(expression.paths) > 1:
            return [f"v = {read}(row)", "if v is MISSING: v = None"]
        first, *inner = expression.paths[0]
        lines = [f"v = row.get({first!r})"]
        if inner:
            lines += [f"v = v.get({name!r}) if v.__class__ is dict else None" for name in inner]
            # Missing, null, or inside something that has no fields: that is for the reader to tell.
            lines.append(f"if v is None: v = {read}(row)")
        return lines

    def _field(self, name: str) -> str:
        return self._fields.setdefault(name, f"f{len(self._fields)}")

    def struct(self, *, known: frozenset[str] | None) -> type:
        """The type that decodes a row; it passes over other columns, or over those of `known` and refuses the rest."""
        seen = [*self._fields, *sorted((known or frozenset()) - self._fields.keys())]
        rename = {f"f{number}": name for number, name in enumerate(seen)}
        fields: list[Any] = [
            (field, _Value)
            if name in self._required
            else (field, _Value | UnsetType, UNSET)
            if name in self._fields
            else (field, msgspec.Raw, msgspec.Raw(b""))
            for field, name in rename.items()
        ]
        refuse = known is not None
        return msgspec.defstruct("Row", fields, rename=rename, gc=False, kw_only=True, forbid_unknown_fields=refuse)


class _Origin(msgspec.Struct, gc=False):
    ts_us: Annotated[int, msgspec.Meta(ge=FIRST, le=LAST)]


def _envelope(state: Any) -> type:
    # What was before counts in a deletion only, and is not decoded in an update.
    fields: list[Any] = [
        ("op", Literal["c", "u", "r", "d"]),
        ("source", _Origin),
        ("before", msgspec.Raw, msgspec.Raw(b"")),
        ("after", state | None, None),
    ]
    return msgspec.defstruct("Change", fields, gc=False)


def _key(source: Source, names: dict[str, Any]) -> str:
    """An expression for a record's unified key, of `raw_key`."""
    columns = key_columns(source)
    rename = {f"f{number}": name for number, name in enumerate(columns)}
    kind = str if source.mongodb else _Value
    struct = msgspec.defstruct("Key", [(field, kind) for field in rename], rename=rename, gc=False)
    names |= {"decode_key": msgspec.json.Decoder(struct).decode, "prefix": f"{source.name}{PREFIX_END}"}
    if source.mongodb:
        names["part"] = _document_id
        return "prefix + part(decode_key(raw_key).f0)"
    names["part"] = key_part
    if len(columns) == 1:
        return 'f"{prefix}{part(decode_key(raw_key).f0)}"'
    parts = ",".join(f"{{part(k.{field})}}" for field in rename)
    return f'f"{{prefix}}{parts}" if (k := decode_key(raw_key)) else ""'


def _document(text: str) -> dict[str, Any]:
    document = orjson.loads(text)
    if isinstance(document, dict):
        return document
    raise Uncommon


def _document_id(text: str) -> str:
    object_id = _OBJECT_ID.fullmatch(text)
    return object_id[1] if object_id else document_id(text)
