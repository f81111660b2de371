"""A REFERENCE, not ksqlDB: what the generated statements mean, by its documentation and what was measured of 8.3.1.

It knows the grammar and the functions that are generated and fails on everything else, so that nothing gets into a
statement whose meaning was not written down here. Where the documentation and what was measured leave two readings (how
a fraction of JSON comes out of a VARCHAR), both are modelled. An error in a WHERE makes it false, and one in a column
makes it NULL, as on the server. What it cannot show is whether the server accepts a statement.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

Value = Any
Row = Mapping[str, Value]
Node = Callable[[Row], Value]

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a clock's own time


class Fault(Exception):
    """What is an exception in ksqlDB while a record is processed."""


class NotModelled(AssertionError):
    """A statement has something whose meaning is not written down here."""


# --- text of statements ---------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>'(?:[^']|'')*') | (?P<name>`(?:[^`]|``)*`) | (?P<number>[0-9]+) | (?P<word>[A-Za-z_][A-Za-z_0-9]*)
    | (?P<sign><>|->|[-+*/=(),;<>.])
    )""",
    re.VERBOSE,
)


def tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotModelled(f"cannot read {text[at : at + 40]!r}")
        kind = str(match.lastgroup)
        token = match[kind]
        if kind in ("text", "name"):
            token = token[1:-1].replace(token[0] * 2, token[0])
        found.append((kind, token.upper() if kind == "word" else token))
        at = match.end()
    return found


@dataclass
class Reader:
    tokens: list[tuple[str, str]]
    at: int = 0

    def peek(self, *wanted: str) -> bool:
        here = self.tokens[self.at : self.at + len(wanted)]
        return len(here) == len(wanted) and all(
            kind in ("word", "sign") and token == want for (kind, token), want in zip(here, wanted, strict=True)
        )

    def take(self, *wanted: str) -> bool:
        if self.peek(*wanted):
            self.at += len(wanted)
            return True
        return False

    def must(self, *wanted: str) -> None:
        if not self.take(*wanted):
            raise NotModelled(f"expected {' '.join(wanted)} at {self.tokens[self.at : self.at + 6]}")

    def of(self, kind: str) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != kind:
            raise NotModelled(f"expected a {kind} at {self.tokens[self.at : self.at + 6]}")
        self.at += 1
        return self.tokens[self.at - 1][1]


# --- expressions ------------------------------------------------------------------------------------


def evaluated(text: str, row: Row) -> Value:
    """An expression's value, for a row."""
    reader = Reader(tokens(text))
    node = expression(reader)
    if reader.at != len(reader.tokens):
        raise NotModelled(f"{reader.tokens[reader.at :]}")
    return node(row)


def expression(reader: Reader) -> Node:
    return _any_of(reader)


def _any_of(reader: Reader) -> Node:
    nodes = [_all_of(reader)]
    while reader.take("OR"):
        nodes.append(_all_of(reader))
    # Evaluated from the left, and no further than needed.
    return nodes[0] if len(nodes) == 1 else lambda row: any(_truth(node(row)) for node in nodes)


def _all_of(reader: Reader) -> Node:
    nodes = [_negation(reader)]
    while reader.take("AND"):
        nodes.append(_negation(reader))
    return nodes[0] if len(nodes) == 1 else lambda row: all(_truth(node(row)) for node in nodes)


def _negation(reader: Reader) -> Node:
    if reader.take("NOT"):
        inner = _negation(reader)
        return lambda row: not _truth(inner(row))
    return _comparison(reader)


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise Fault("NULL where a condition has to be")
    return value


def _comparison(reader: Reader) -> Node:
    left = _sum(reader)
    if reader.take("IS", "NULL"):
        return lambda row: left(row) is None
    if reader.take("IS", "NOT", "NULL"):
        return lambda row: left(row) is not None
    if reader.take("NOT", "IN"):
        among = _listed(reader)
        return lambda row: left(row) not in [each(row) for each in among]
    for sign, holds in (("=", lambda a, b: a == b), ("<>", lambda a, b: a != b)):
        if reader.take(sign):
            right = _sum(reader)
            return _compared(left, right, holds)
    return left


def _compared(left: Node, right: Node, holds: Callable[[Value, Value], bool]) -> Node:
    def compare(row: Row) -> bool:
        a, b = left(row), right(row)
        if a is None or b is None:
            return False
        if type(a) is not type(b):
            raise NotModelled(f"compares {a!r} with {b!r}")
        return holds(a, b)

    return compare


def _listed(reader: Reader) -> list[Node]:
    reader.must("(")
    nodes = [expression(reader)]
    while reader.take(","):
        nodes.append(expression(reader))
    reader.must(")")
    return nodes


def _sum(reader: Reader) -> Node:
    node = _product(reader)
    while reader.peek("+") or reader.peek("-"):
        minus = reader.take("-")
        if not minus:
            reader.must("+")
        node = _arithmetic("-" if minus else "+", node, _product(reader))
    return node


def _product(reader: Reader) -> Node:
    node = _primary(reader)
    while reader.peek("*") or reader.peek("/"):
        sign = "*" if reader.take("*") else "/"
        if sign == "/":
            reader.must("/")
        node = _arithmetic(sign, node, _primary(reader))
    return node


def _arithmetic(sign: str, left: Node, right: Node) -> Node:
    def calculate(row: Row) -> Value:
        a, b = left(row), right(row)
        if isinstance(a, str) or isinstance(b, str):
            if sign != "+":
                raise NotModelled(f"{a!r} {sign} {b!r}")
            # Java's: NULL becomes a word.
            return ("null" if a is None else a) + ("null" if b is None else b)
        if a is None or b is None:
            raise Fault("NULL in a sum")
        if type(a) is not int or type(b) is not int:
            raise NotModelled(f"{a!r} {sign} {b!r}")
        exact = a * b if sign == "*" else a + b if sign == "+" else a - b if sign == "-" else _quotient(a, b)
        # 64 bits, which wrap.
        return (exact + 2**63) % 2**64 - 2**63

    return calculate


def _quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _primary(reader: Reader) -> Node:
    if reader.take("("):
        node = expression(reader)
        reader.must(")")
        return node
    if reader.take("CASE"):
        return _case(reader)
    if reader.take("CAST"):
        return _cast(reader)
    for word, constant in (("TRUE", True), ("FALSE", False), ("NULL", None)):
        if reader.take(word):
            return lambda _, constant=constant: constant
    return _leaf(reader)


def _leaf(reader: Reader) -> Node:
    kind, token = reader.tokens[reader.at]
    reader.at += 1
    if kind == "text":
        return lambda _: token
    if kind == "number":
        return lambda _: int(token)
    if kind == "name":
        return lambda row: row[token]
    if kind == "word" and reader.peek("("):
        if token not in FUNCTIONS:
            raise NotModelled(f"the function {token}")
        function, arguments = FUNCTIONS[token], _listed(reader)
        return lambda row: function(*(each(row) for each in arguments))
    if kind == "word" and token in ("ROWPARTITION", "ROWOFFSET"):
        return lambda row: row[token]
    raise NotModelled(f"{token!r}")


def _case(reader: Reader) -> Node:
    branches = []
    while reader.take("WHEN"):
        condition = expression(reader)
        reader.must("THEN")
        branches.append((condition, expression(reader)))
    reader.must("ELSE")
    otherwise = expression(reader)
    reader.must("END")
    if not branches:
        raise NotModelled("CASE with a value after it")

    def choose(row: Row) -> Value:
        return next((result(row) for condition, result in branches if _truth(condition(row))), _NOTHING)

    return lambda row: otherwise(row) if (chosen := choose(row)) is _NOTHING else chosen


_NOTHING = object()


def _cast(reader: Reader) -> Node:
    reader.must("(")
    inner = expression(reader)
    reader.must("AS")
    type_ = reader.of("word")
    reader.must(")")
    if type_ not in CASTS:
        raise NotModelled(f"CAST to {type_}")

    def convert(row: Row) -> Value:
        # An error in a cast, or in what is cast, is NULL.
        try:
            value = inner(row)
            return None if value is None else CASTS[type_](value)
        except Fault:
            return None

    return convert


def _whole(bits: int) -> Callable[[Value], int]:
    def convert(value: Value) -> int:
        if not isinstance(value, str):
            raise NotModelled(f"CAST of {value!r}")
        text = value.strip()
        if not re.fullmatch(r"[+-]?[0-9]+", text) or not -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1):
            raise Fault("no number of that size")
        return int(text)

    return convert


def _double(value: Value) -> float:
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", value):
        raise Fault("no number")
    return float(value)


def _varchar(value: Value) -> str:
    if not isinstance(value, str):
        raise NotModelled(f"CAST of {value!r} to VARCHAR")
    return value


CASTS: dict[str, Callable[[Value], Value]] = {
    "VARCHAR": _varchar,
    "BIGINT": _whole(64),
    "INTEGER": _whole(32),
    "DOUBLE": _double,
    "BOOLEAN": _varchar,
}


# --- functions ----------------------------------------------------------------------------------------


class _Number(str):
    """The text of a JSON number."""

    __slots__ = ()


class _Fraction(_Number):
    """One with a point or an exponent."""

    __slots__ = ()


def _unknown_constant(text: str) -> None:
    raise ValueError(text)


_DECODER = json.JSONDecoder(
    parse_int=lambda text: _Number(int(text)),
    parse_float=lambda text: _Fraction(java_decimal(Decimal(text))),
    parse_constant=_unknown_constant,
    strict=True,
)


_reading = {"doubles": False}


@contextmanager
def _functions_reading(*, doubles: bool) -> Iterator[None]:
    _reading["doubles"] = doubles
    try:
        yield
    finally:
        _reading["doubles"] = False


def parsed(text: str) -> Value:
    """The first value in JSON text; Jackson does not look at what comes after it."""
    try:
        value = _DECODER.raw_decode(text.lstrip(" \t\r\n"))[0]
        return _through_doubles(value) if _reading["doubles"] else value
    except (ValueError, RecursionError):
        raise Fault("not JSON") from None


def java_decimal(number: Decimal) -> str:
    """As java.math.BigDecimal writes itself."""
    return str(number)


def written(value: Value) -> str:
    """JSON as Jackson writes it: compact, in the order of the text, nothing escaped that need not be."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{written(str(name))}:{written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _is_json_string(text: Value) -> bool:
    if text is None:
        return False
    try:
        parsed(text)
    except Fault:
        return False
    return True


def _extract_json_field(text: Value, path: Value) -> Value:
    if text is None or path is None:
        return None
    here = parsed(text)
    for step in _steps(path):
        if isinstance(here, list):
            here = here[int(step)] if step.isdecimal() and int(step) < len(here) else _NOTHING
        else:
            here = here.get(step, _NOTHING) if isinstance(here, dict) else _NOTHING
        if here is _NOTHING:
            return None
    return here if isinstance(here, str) and not isinstance(here, _Number) else written(here)


@cache
def _steps(path: str) -> list[str]:
    if not re.fullmatch(r'\$(\["[^"\\]*"\])+', path):
        raise NotModelled(f"the JSON path {path!r}")
    return re.findall(r'\["([^"]*)"\]', path)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\x\{([0-9A-F]+)\}", lambda match: f"\\U{int(match[1], 16):08x}", pattern), re.ASCII)


def _regexp_extract(pattern: Value, text: Value, group: Value = 0) -> Value:
    if pattern is None or text is None:
        return None
    match = _pattern(pattern).search(text)
    return match[group] if match else None


def _rpad(text: Value, length: Value, padding: Value) -> Value:
    return None if text is None else (text + padding * length)[:length]


def _substring(text: Value, start: Value, length: Value) -> Value:
    if text is None:
        return None
    if any(ord(each) > 0xFFFF for each in text[: start + length]):
        raise NotModelled("SUBSTRING of surrogate pairs")
    return text[start - 1 : start - 1 + length]


def _replace(text: Value, old: Value, new: Value) -> Value:
    return None if text is None else text.replace(old, new)


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


_FORMATS = {"yyyy-MM-dd HH:mm:ss": "%Y-%m-%d %H:%M:%S", "yyyy-MM-dd": "%Y-%m-%d"}


def _string_to_timestamp(text: Value, form: Value, zone: Value) -> int:
    """The date is applied to a clock that shows midnight, then the time; of two offsets the present one stays."""
    if text is None:
        raise Fault("NULL is no time")
    try:
        wanted = datetime.strptime(text, _FORMATS[form])  # noqa: DTZ007 - a clock's own time
    except ValueError:
        raise Fault("no time") from None
    offset = _zone_offset(EPOCH, zone, None)
    for clock in (
        wanted.replace(month=1, day=1, hour=0, minute=0, second=0),
        wanted.replace(day=1, hour=0, minute=0, second=0),
        wanted.replace(hour=0, minute=0, second=0),
        wanted.replace(minute=0, second=0),
        wanted,
    ):
        offset = _zone_offset(clock, zone, offset)
    return (wanted - EPOCH - offset) // timedelta(milliseconds=1)


def _zone_offset(clock: datetime, zone: str, present: timedelta | None) -> timedelta:
    first, second = (clock.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return second if present == second and first > second else first


def _timestamp_to_string(milliseconds: Value, form: Value, zone: Value) -> str:
    if milliseconds is None:
        raise Fault("NULL is no time")
    if zone != "UTC":
        raise NotModelled("TIMESTAMPTOSTRING of a zone")
    try:
        clock = EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise NotModelled("a time after the year 9999") from None
    full = clock.isoformat(sep=" ", timespec="seconds")
    return full if "HH" in form else full[:10]


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "AS_VALUE": lambda value: value,
    "COALESCE": _coalesce,
    "EXTRACTJSONFIELD": _extract_json_field,
    "IS_JSON_STRING": _is_json_string,
    "REGEXP_EXTRACT": _regexp_extract,
    "REPLACE": _replace,
    "RPAD": _rpad,
    "STRINGTOTIMESTAMP": _string_to_timestamp,
    "SUBSTRING": _substring,
    "TIMESTAMPTOSTRING": _timestamp_to_string,
}


# --- statements -----------------------------------------------------------------------------------------


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
            with _functions_reading(doubles=self.functions_too):
                try:
                    if not _truth(query.where(row)):
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
        if value is None or (isinstance(value, str) and not isinstance(value, _Number)):
            return value
        if self.through_doubles:
            value = _through_doubles(value)
        if isinstance(value, list):
            # Of its elements' texts, without quotes.
            return "[" + ", ".join(str(self._as_varchar(each)) for each in value) + "]"
        return written(value)


def _through_doubles(value: Value) -> Value:
    if isinstance(value, _Number):
        return _Number(java_double(float(value))) if isinstance(value, _Fraction) else value
    if isinstance(value, dict):
        return {name: _through_doubles(each) for name, each in value.items()}
    return [_through_doubles(each) for each in value] if isinstance(value, list) else value


def java_double(number: float) -> str:
    """As java.lang.Double writes itself."""
    if number in (float("inf"), float("-inf")):
        return '"Infinity"' if number > 0 else '"-Infinity"'
    sign = "-" if str(number).startswith("-") else ""
    digits = Decimal(repr(abs(number)))
    if digits == 0:
        return f"{sign}0.0"
    if Decimal("1e-3") <= digits < Decimal("1e7"):
        text = f"{digits:f}"
        return sign + (text if "." in text else f"{text}.0")
    exponent = digits.adjusted()
    mantissa = f"{digits.scaleb(-exponent).normalize():f}"
    return f"{sign}{mantissa if '.' in mantissa else mantissa + '.0'}E{exponent}"


def _or_null(node: Node, row: Row) -> Value:
    try:
        return node(row)
    except Fault:
        return None


_PYTHON: dict[str, type] = {"VARCHAR": str, "BIGINT": int, "INTEGER": int, "DOUBLE": float, "BOOLEAN": bool}
