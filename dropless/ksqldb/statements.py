"""A contract's union as ksqlDB's statements, in their order.

For each source: a stream over its raw topic with the envelope's fields as text, another with each record's value as
one text, and three queries. `rows` writes what can be mapped into the unified topic. `dead` writes a letter for what
cannot. `broken` does so for values that are no JSON object, which ksqlDB cannot read as an envelope at all. `rows`
and `dead` divide the records between them by one expression, the reason of a dead letter, which is NULL for a row.
A tombstone is a NULL row to a query, which no WHERE lets through. Heartbeats and signals have topics of their own.

No statement makes a topic. A dead letter names its record by topic, partition and offset, where the original bytes
stay for ever; ksqlDB can write neither headers nor bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dropless import names
from dropless.contract import Contract, Source
from dropless.ksqldb import envelope, naming, sql
from dropless.ksqldb.columns import check, filling
from dropless.ksqldb.envelope import AFTER, BEFORE, COMMITTED, DELETION, NO_DELETION, NOTHING_KNOWN, OP
from dropless.ksqldb.keys import RAW_KEY, Reasons, key_reasons, unified_key
from dropless.ksqldb.patterns import OBJECT
from dropless.union.mapping import EPOCH_BITS, SYSTEM_FIELDS

RECORD_KEY: Final = "_record_key"
"""The key's column in the unified stream, which is not in the JSON; no column of a contract can be called so."""

Columns = tuple[tuple[str, str], ...]

_SYSTEM_TYPES: Final = dict(
    zip(
        SYSTEM_FIELDS,
        ("VARCHAR", "VARCHAR", "VARCHAR", "BOOLEAN", "BIGINT", "VARCHAR", "INTEGER", "BIGINT", "BIGINT"),
        strict=True,
    )
)
_ENVELOPE: Final = (("before", "VARCHAR"), ("after", "VARCHAR"), ("source", "VARCHAR"), ("op", "VARCHAR"))
_LETTER: Final = (
    ("reason", "VARCHAR"),
    ("source", "VARCHAR"),
    ("topic", "VARCHAR"),
    ("partition", "INTEGER"),
    ("offset", "BIGINT"),
)
LETTER_FIELDS: Final = frozenset(name for name, _ in _LETTER)
"""What the JSON of a dead letter has."""


@dataclass(frozen=True)
class Stream:
    """A stream over a topic that exists: a key and columns, each a name and a type."""

    name: str
    topic: str
    key: str
    columns: Columns
    value_format: str

    @property
    def statement(self) -> str:
        """What makes it, unless it is there."""
        columns = ", ".join([f"{sql.name(self.key)} VARCHAR KEY", *(f"{sql.name(n)} {t}" for n, t in self.columns)])
        return (
            f"CREATE STREAM IF NOT EXISTS {sql.name(self.name)} ({columns})\n"
            f"WITH (KAFKA_TOPIC = {sql.literal(self.topic)}, KEY_FORMAT = 'KAFKA', "
            f"VALUE_FORMAT = {sql.literal(self.value_format)});"
        )


@dataclass(frozen=True)
class Query:
    """A query that runs for ever, and the streams that it reads and writes."""

    id: str
    role: str
    reads: str
    writes: str
    select: str

    @property
    def statement(self) -> str:
        """What starts it."""
        return f"INSERT INTO {sql.name(self.writes)} WITH (QUERY_ID = {sql.literal(self.id)})\n{self.select};"


@dataclass(frozen=True)
class Mapping:
    """The queries of one source, which run one version of its mapping and are replaced together."""

    source: str
    version: str
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class Statements:
    """All of one contract."""

    streams: tuple[Stream, ...]
    mappings: tuple[Mapping, ...]

    @property
    def ordered(self) -> list[str]:
        """The statements in the order in which they have to be made."""
        made = [stream.statement for stream in self.streams]
        return made + [query.statement for mapping in self.mappings for query in mapping.queries]


def statements(contract: Contract) -> Statements:
    """The statements of a contract.

    Raises:
        Inexpressible: something in it cannot be said so that the rows are the worker's.
    """
    table = contract.name
    rows = ((column.field, sql.TYPES[column.type.kind]) for column in contract.columns)
    unified = _stream(
        "unified", table, None, names.unified_topic(table), (*_SYSTEM_TYPES.items(), *rows), key=RECORD_KEY
    )
    dead = _stream("dead", table, None, names.dead_topic(table), _LETTER)
    streams, mappings = [unified, dead], []
    for source in contract.sources:
        check(contract, source)
        topic = names.raw_topic(table, source.name)
        raw = _stream("raw", table, source.name, topic, _ENVELOPE)
        text = _stream("text", table, source.name, topic, (("v", "VARCHAR"),), value_format="KAFKA")
        streams += [raw, text]
        reason = _reason(contract, source)
        selects = {
            "rows": (raw, unified, _rows(contract, source, raw, reason)),
            "dead": (raw, dead, _letters(source, topic, raw, reason, f"({reason}) IS NOT NULL")),
            "broken": (text, dead, _broken(source, topic, text)),
        }
        # Into what they write is a part of a mapping: a row has other columns, and a stream another name.
        version = naming.digest(
            "\n".join(f"{to.name}: {select}" for _, to, select in selects.values()), naming.QUERY_DIGITS
        )
        queries = tuple(
            Query(naming.query(role, table, source.name, version), role, read.name, to.name, select)
            for role, (read, to, select) in selects.items()
        )
        mappings.append(Mapping(source.name, version, queries))
    return Statements(tuple(streams), tuple(mappings))


def _stream(
    kind: str,
    table: str,
    source: str | None,
    topic: str,
    columns: Columns,
    *,
    key: str = "k",
    value_format: str = "JSON",
) -> Stream:
    named = naming.stream(kind, table, source, repr((topic, key, columns, value_format)))
    return Stream(named, topic, key, columns, value_format)


def _rows(contract: Contract, source: Source, raw: Stream, reason: str) -> str:
    key, topic = unified_key(source), raw.topic
    position = f"CAST({sql.literal(str(source.epoch))} AS BIGINT) * {1 << EPOCH_BITS} + ROWOFFSET"
    system = (
        f"AS_VALUE({key})", sql.literal(source.name), OP, DELETION, COMMITTED, sql.literal(topic),
        "ROWPARTITION", "ROWOFFSET", position,
    )  # fmt: skip
    selected = [f"{key} AS {sql.name(RECORD_KEY)}"]
    selected += [f"{value} AS {sql.name(field)}" for field, value in zip(SYSTEM_FIELDS, system, strict=True)]
    row = f"(CASE WHEN {DELETION} THEN {BEFORE} ELSE {AFTER} END)"
    for column in contract.columns:
        type_ = sql.TYPES[column.type.kind]
        filled, of_deleted = filling(column, source, row), filling(column, source, BEFORE)
        # A deletion is never held up: what is not known of the row, or cannot be converted, is NULL.
        nulls = [NOTHING_KNOWN] + ([of_deleted.rejected] if of_deleted.rejected else [])
        branches = [(f"{DELETION} AND ({condition})", sql.typed(None, type_)) for condition in nulls]
        value = sql.case(*branches, otherwise=filled.value)
        if column.name == contract.time_column:
            value = f"COALESCE({value}, {COMMITTED})"
        selected.append(f"{value} AS {sql.name(column.field)}")
    return _select(selected, raw, f"({reason}) IS NULL", key)


def _letters(source: Source, topic: str, read: Stream, reason: str, condition: str) -> str:
    origin = (reason, sql.literal(source.name), sql.literal(topic), "ROWPARTITION", "ROWOFFSET")
    selected = [f"{RAW_KEY} AS {RAW_KEY}"]
    selected += [f"{value} AS {sql.name(field)}" for (field, _), value in zip(_LETTER, origin, strict=True)]
    return _select(selected, read, condition, RAW_KEY)


def _broken(source: Source, topic: str, text: Stream) -> str:
    value = sql.name("v")
    no_json = f"NOT IS_JSON_STRING({value})"
    reason = sql.case(
        (no_json, sql.literal("The value is not valid JSON.")),
        otherwise=sql.literal("The value is not a change event: it has no `op`."),
    )
    condition = f"{value} IS NOT NULL AND ({no_json} OR {sql.lacks(OBJECT, value)})"
    return _letters(source, topic, text, reason, condition)


def _select(selected: Sequence[str], read: Stream, condition: str, key: str) -> str:
    columns = ",\n  ".join(selected)
    return f"SELECT\n  {columns}\nFROM {sql.name(read.name)}\nWHERE {condition}\nPARTITION BY {key}\nEMIT CHANGES"


def _reason(contract: Contract, source: Source) -> str:
    """Why a record is a dead letter, as SQL; NULL of a row."""
    reasons: Reasons = [*envelope.change_reasons(source), *key_reasons(source)]
    for column in contract.columns:
        filled = filling(column, source, AFTER)
        if filled.rejected:
            reasons.append((f"{NO_DELETION} AND ({filled.rejected})", filled.reason))
    branches = [(condition, sql.literal(sentence)) for condition, sentence in reasons]
    return sql.case(*branches, otherwise=sql.typed(None, "VARCHAR"))
