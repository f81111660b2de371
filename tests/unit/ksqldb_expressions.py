"""A REFERENCE, not ksqlDB: its grammar as far as it is generated, and what an expression is; see `ksqldb_reference`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ksqldb_functions import FUNCTIONS, Fault, NotModelled, Value

Row = Mapping[str, Value]
Node = Callable[[Row], Value]

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
    return nodes[0] if len(nodes) == 1 else lambda row: any(truth(node(row)) for node in nodes)


def _all_of(reader: Reader) -> Node:
    nodes = [_negation(reader)]
    while reader.take("AND"):
        nodes.append(_negation(reader))
    return nodes[0] if len(nodes) == 1 else lambda row: all(truth(node(row)) for node in nodes)


def _negation(reader: Reader) -> Node:
    if reader.take("NOT"):
        inner = _negation(reader)
        return lambda row: not truth(inner(row))
    return _comparison(reader)


def truth(value: Value) -> bool:
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


_NOTHING = object()


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
        return next((result(row) for condition, result in branches if truth(condition(row))), _NOTHING)

    return lambda row: otherwise(row) if (chosen := choose(row)) is _NOTHING else chosen


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
