"""A REFERENCE, not ksqlDB: what the generated statements mean, by its documentation and what was measured of 8.3.1.

It knows the grammar and the functions that are generated and fails on everything else, so that nothing gets into a
statement whose meaning was not written down here. Where the documentation and what was measured leave two readings (how
a fraction of JSON comes out of a VARCHAR), both are modelled. An error in a WHERE makes it false, and one in a column
makes it NULL, as on the server. What it cannot show is whether the server accepts a statement.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ksqldb_expressions import Node, Reader, Row, expression, tokens, truth
from ksqldb_functions import (
    Fault,
    NotModelled,
    Number,
    Value,
    functions_reading,
    parsed,
    through_doubles,
    written,
)


@dataclass
class Stream:
    topic: str
    key: str
    columns: dict[str, str]
    value_format: str


@dataclass
class Query:
    writes: str
    reads: str
    columns: list[tuple[str, Node]]
    where: Node
    key: Node


@dataclass
class Server:
    """Streams and queries, and what they write of a record: `(topic, key, value)` for each query that takes it."""

    streams: dict[str, Stream] = field(default_factory=dict)
    queries: dict[str, Query] = field(default_factory=dict)
    through_doubles: bool = True
    """Whether a fraction of JSON comes out of a VARCHAR as a double's digits, as was measured, or as it was written."""
    functions_too: bool = False
    """Whether the functions on JSON read a fraction as a double."""

    def execute(self, statement: str) -> None:
        reader = Reader(tokens(statement))
        if reader.take("CREATE", "STREAM", "IF", "NOT", "EXISTS"):
            self._create(reader)
        else:
            reader.must("INSERT", "INTO")
            self._insert(reader)
        reader.must(";")
        if reader.at != len(reader.tokens):
            raise NotModelled("more than one statement")

    def _create(self, reader: Reader) -> None:
        name = reader.of("name")
        reader.must("(")
        key = reader.of("name")
        reader.must("VARCHAR", "KEY")
        columns: dict[str, str] = {}
        while reader.take(","):
            column = reader.of("name")
            columns[column] = reader.of("word")
        reader.must(")", "WITH", "(")
        settings: dict[str, str] = {}
        while True:
            setting = reader.of("word")
            reader.must("=")
            settings[setting] = reader.of("text")
            if not reader.take(","):
                break
        reader.must(")")
        assert settings.keys() == {"KAFKA_TOPIC", "KEY_FORMAT", "VALUE_FORMAT"}
        assert settings["KEY_FORMAT"] == "KAFKA"
        if settings["VALUE_FORMAT"] == "KAFKA":
            assert list(columns.values()) == ["VARCHAR"]
        self.streams[name] = Stream(settings["KAFKA_TOPIC"], key, columns, settings["VALUE_FORMAT"])

    def _insert(self, reader: Reader) -> None:
        writes = reader.of("name")
        reader.must("WITH", "(", "QUERY_ID", "=")
        query = reader.of("text")
        reader.must(")", "SELECT")
        columns = []
        while True:
            node = expression(reader)
            reader.must("AS")
            columns.append((reader.of("name"), node))
            if not reader.take(","):
                break
        reader.must("FROM")
        reads = reader.of("name")
        reader.must("WHERE")
        where = expression(reader)
        reader.must("PARTITION", "BY")
        key = expression(reader)
        reader.must("EMIT", "CHANGES")
        target = self.streams[writes]
        # An INSERT's columns are those of the stream, in their order.
        assert [name for name, _ in columns] == [target.key, *target.columns]
        self.queries[query] = Query(writes, reads, columns, where, key)

    def process(
        self, topic: str, key: bytes | None, value: bytes | None, partition: int, offset: int
    ) -> list[tuple[str, str | None, dict[str, Value]]]:
        out = []
        for query in self.queries.values():
            stream = self.streams[query.reads]
            row = self._row(stream, key, value) if stream.topic == topic else None
            if row is None:
                continue
            row |= {"ROWPARTITION": partition, "ROWOFFSET": offset}
            with functions_reading(doubles=self.functions_too):
                try:
                    if not truth(query.where(row)):
                        continue
                except Fault:
                    # Only in the processing log.
                    continue
                selected = {name: _or_null(node, row) for name, node in query.columns}
                partitioned = query.key(row)
            target = self.streams[query.writes]
            assert selected[target.key] == partitioned
            for name, type_ in target.columns.items():
                assert selected[name] is None or type(selected[name]) is _PYTHON[type_], (name, selected[name])
            out.append((target.topic, selected.pop(target.key), selected))
        return out

    def _row(self, stream: Stream, key: bytes | None, value: bytes | None) -> dict[str, Value] | None:
        """A record as a stream's row; None for a tombstone, and for what cannot be read."""
        if value is None:
            return None
        row: dict[str, Value] = {stream.key: None if key is None else key.decode(errors="replace")}
        if stream.value_format == "KAFKA":
            (column,) = stream.columns
            return row | {column: value.decode(errors="replace")}
        try:
            envelope = parsed(value.decode())
        except (Fault, UnicodeDecodeError):
            return None
        if not isinstance(envelope, dict):
            return None
        return row | {name: self._as_varchar(envelope.get(name)) for name in stream.columns}

    def _as_varchar(self, value: Value) -> Value:
        if value is None or (isinstance(value, str) and not isinstance(value, Number)):
            return value
        if self.through_doubles:
            value = through_doubles(value)
        if isinstance(value, list):
            # Of its elements' texts, without quotes.
            return "[" + ", ".join(str(self._as_varchar(each)) for each in value) + "]"
        return written(value)


def _or_null(node: Node, row: Row) -> Value:
    try:
        return node(row)
    except Fault:
        return None


_PYTHON: dict[str, type] = {"VARCHAR": str, "BIGINT": int, "INTEGER": int, "DOUBLE": float, "BOOLEAN": bool}
