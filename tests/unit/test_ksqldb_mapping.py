"""The worker's mapping and the statements for ksqlDB, as the reference in `ksqldb_reference` understands them.

What ksqlDB writes is what the worker writes. It may take less: then it writes a dead letter. No record is lost, and
none is both a row and a dead letter.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import orjson
import pytest
from contracts import FOUR, SENSORS, contract, mongodb, orders, postgresql
from hypothesis import assume, given
from hypothesis import strategies as st
from ksqldb_reference import Server
from raw import COMMITTED, KEYS, ROWS, SOURCE, STORE, change, of

from dropless import names
from dropless.contract import Contract
from dropless.ksqldb.statements import statements
from dropless.union.mapping import Dead, Row, plain_mapping


def without_json() -> Contract:
    """The example's contract without its json column, which ksqlDB cannot fill."""
    attributes = orders().model_dump(by_alias=True, exclude_none=True, mode="json")
    for source in attributes["sources"]:
        del source["columns"]["details"]
    return contract(attributes)


TYPES: dict[str, Any] = {
    "name": "types",
    "columns": [
        {"name": "s", "type": "string"},
        {"name": "i", "type": "int"},
        {"name": "l", "type": "long"},
        {"name": "l100", "type": "long"},
        {"name": "f", "type": "double"},
        {"name": "f1000", "type": "double"},
        {"name": "d", "type": "decimal(18,2)"},
        {"name": "big", "type": "decimal(38,10)"},
        {"name": "d100", "type": "decimal(18,2)"},
        {"name": "d1000", "type": "decimal(9,2)"},
        {"name": "b", "type": "boolean"},
        {"name": "day", "type": "date"},
        {"name": "t", "type": "timestamp"},
        {"name": "a", "type": "string", "allowed": ["x", "1", "true", "null", "a.b"]},
        {"name": "v", "type": "int"},
        {"name": "at", "type": "timestamp", "nullable": False},
    ],
    "time_column": "at",
    "partitions": 1,
}
TAKEN: dict[str, Any] = dict.fromkeys(("s", "i", "l", "f", "d", "big", "b", "day", "t", "a"), "x") | {
    "l100": {"from": "x", "divide": 100},
    "f1000": {"from": "x", "divide": 1000},
    "d100": {"from": "x", "divide": 100},
    "d1000": {"from": "x", "divide": 1000},
    "v": {"from": "x", "values": {"a": 1, 7: 2, "true": 3, "null": 4, "$": 5}},
}


@cache
def one_of(name: str, *, mongo: bool = False, path: str = "x", nullable: bool = True, default: Any = None) -> Contract:
    """A contract with one column of `TYPES`, read from a field `x`, perhaps within another."""
    column = next(each for each in TYPES["columns"] if each["name"] == name) | {"nullable": nullable}
    taken = TAKEN[name]
    expression = {"from": taken} if isinstance(taken, str) else dict(taken)
    expression["from"] = path
    if default is not None:
        expression["default"] = default
    make = mongodb if mongo else postgresql
    # A nullable time column is none; every row has the same.
    return contract(
        TYPES
        | {
            "columns": [column, TYPES["columns"][-1]],
            "sources": [make("shop", {name: expression, "at": {"constant": "2026-01-01T00:00:00Z"}})],
        }
    )


SERVERS: dict[str, Server] = {}


def server(table: Contract, *, through_doubles: bool = True, functions_too: bool = False) -> Server:
    identity = table.model_dump_json()
    if identity not in SERVERS:
        SERVERS[identity] = Server()
        for statement in statements(table).ordered:
            SERVERS[identity].execute(statement)
    SERVERS[identity].through_doubles = through_doubles
    SERVERS[identity].functions_too = functions_too
    return SERVERS[identity]


def both(
    table: Contract,
    source: str,
    key: bytes | None,
    value: bytes | None,
    *,
    through_doubles: bool = True,
    functions_too: bool = False,
) -> tuple[Row | Dead | None, str]:
    """The worker's outcome, and ksqlDB's in a word, after it has been compared with it."""
    outcome = plain_mapping(table, source)(key, value, 3, 2**40)
    topic = names.raw_topic(table.name, source)
    reading = server(table, through_doubles=through_doubles, functions_too=functions_too)
    written = reading.process(topic, key, value, 3, 2**40)
    if outcome is None:
        assert written == []
        return None, "nothing"
    assert len(written) == 1, written
    to, record_key, fields = written[0]
    if to == names.unified_topic(table.name):
        assert isinstance(outcome, Row), (outcome, fields)
        row = orjson.loads(outcome.value)
        if row["_deleted"]:
            # What ksqlDB cannot convert of a deleted row is null in it, and the time of the deletion counts.
            for name, mine in fields.items():
                unknown = mine is None or (name == f"{table.time_column}_us" and mine == row["_committed_at_us"])
                assert mine == row[name] or unknown, (name, mine, row[name])
        else:
            assert fields == row
        assert list(fields) == list(row)
        assert record_key == outcome.key.decode()
        return outcome, "row"
    assert to == names.dead_topic(table.name)
    assert fields["reason"].endswith(".")
    assert (fields["source"], fields["topic"]) == (source, topic)
    assert (fields["partition"], fields["offset"]) == (3, 2**40)
    return outcome, "dead"


def same(table: Contract, source: str, key: bytes | None, value: bytes | None) -> str:
    """ksqlDB's outcome, which is the worker's not only where ksqlDB has a row."""
    outcome, word = both(table, source, key, value)
    expected = {Row: "row", Dead: "dead", type(None): "nothing"}[type(outcome)]
    assert word == expected, (outcome, word)
    return word


@pytest.mark.parametrize("source", ["store", "webshop", "marketplace"])
@pytest.mark.parametrize("op", ["c", "u", "r", "d"])
def test_the_examples_rows_are_the_workers(source: str, op: str) -> None:
    row = of(source, ROWS[source])
    after, before = (None, row) if op == "d" else (row, None)
    outcome, word = both(without_json(), source, KEYS[source], change(after, op, before))
    assert word == "row"
    assert isinstance(outcome, Row)
    # Not only what is null on either side: whatever the example has is there.
    topic = names.raw_topic("orders", source)
    fields = server(without_json()).process(topic, KEYS[source], change(after, op, before), 0, 0)
    assert orjson.loads(outcome.value) == fields[0][2] | {"_partition": 3, "_offset": 2**40, "_position": 2**40}


@pytest.mark.parametrize("source", ["store", "webshop", "marketplace"])
@pytest.mark.parametrize("before", [None, {}, "[", "NaN", [], 7])
def test_a_deletion_is_never_held_up_by_its_values(source: str, before: object) -> None:
    outcome, word = both(without_json(), source, KEYS[source], change(None, "d", before))
    assert word == "row"
    assert isinstance(outcome, Row)
    assert orjson.loads(outcome.value)["placed_at_us"] == COMMITTED


def test_a_tombstone_is_nothing_a_truncation_a_dead_letter() -> None:
    assert same(without_json(), "store", KEYS["store"], None) == "nothing"
    assert same(without_json(), "store", None, change(None, "t")) == "dead"


@pytest.mark.parametrize(
    "value",
    [
        b"", b" ", b"\xff", b"{", b"null", b"7", b'"text"', b"[1,2]", b"{}", b'{"op":null}', b'{"op":"m"}',
        b'{"op":["c"]}',
        change(None), change([]), change("{"), change(STORE, source={}), change(STORE, source=None),
        change(STORE, source=[]),
        change(STORE, source={"ts_us": None, "ts_ms": 5}), change(STORE, source={"ts_us": 10**18}),
        change(STORE, source={"ts_us": "5"}), change(STORE, source={"ts_ms": 10**15}),
        change(STORE, source={"ts_us": True}),
    ],
)  # fmt: skip
def test_a_value_that_is_no_change_is_a_dead_letter_and_nothing_is_in_neither_topic(value: bytes) -> None:
    outcome, word = both(without_json(), "store", KEYS["store"], value)
    assert (word == "row") == isinstance(outcome, Row)


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("store", b'{"id":12345}'), ("store", b'{"id":"a,b\\\\c"}'), ("store", b'{"id":true}'),
        ("webshop", b'{"order_no":1,"shop_code":"x,y"}'),
        ("marketplace", b'{"id":"{\\"$oid\\": \\"65f0\\"}"}'), ("marketplace", b'{"id":"42"}'),
        ("marketplace", b'{"id":"\\"text\\""}'), ("marketplace", b'{"id":"\\"a\\\\\\"b\\\\u00e4,\\""}'),
        ("marketplace", b'{"id":"{\\"$numberLong\\": \\"5\\"}"}'),
        ("marketplace", b'{"id":"{\\"$uuid\\": \\"5-5\\"}"}'),
        ("marketplace", b'{"id":"{\\"$binary\\": {\\"base64\\": \\"AA==\\", \\"subType\\": \\"04\\"}}"}'),
    ],
)  # fmt: skip
def test_a_key_is_the_workers(source: str, key: bytes) -> None:
    assert same(without_json(), source, key, change(of(source, ROWS[source]))) == "row"


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("store", None), ("store", b""), ("store", b"[1]"), ("store", b'{"no":1}'), ("store", b'{"id":null}'),
        ("store", b'{"id":"a\\u0000"}'), ("store", b'{"id":1} {"id":2}'), ("store", b'{"id":1},"x":{}'),
        ("webshop", b'{"shop_code":"x"}'), ("marketplace", b'{"id":5}'), ("marketplace", b'{"id":"{"}'),
        ("marketplace", b'{"id":"{\\"$numberLong\\": \\"x\\"}"}'), ("marketplace", b'{"id":"\\"a\\" 1"}'),
    ],
)  # fmt: skip
def test_a_record_without_a_usable_key_is_a_dead_letter(source: str, key: bytes | None) -> None:
    assert same(without_json(), source, key, change(of(source, ROWS[source]))) == "dead"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("s", ["", "null", "true", "[1]", "{}", "é 'x' `y` \\ \"", "12\n", '{"$oid":"a"}', "😀",
               5, -(2**63), True, False, None]),
        ("i", [0, -1, 2**31 - 1, -(2**31), "7", "+007", "-0", "5.0", "5.", 5.0]),
        ("l", [2**63 - 1, -(2**63), "9223372036854775807", "-09.000"]),
        ("l100", [0, 100, -12300, "0", "00", "-1200.0", 100.0]),
        ("f", [0, 1.5, -2.5e-7, 1e22, 123456789012345680.0, "1e3", "2.500", 2**53 + 1]),
        ("f1000", [2500, 1, 1.1, "0.1", "-7.25", 2**53 + 1]),
        ("d", [0, 12, -0.5, "12.3", "0012.300", "-0", "-0.00", "+5", ".5", "5.", "9999999999999999.99", 1234.56]),
        ("big", ["1234567890123456789012345678.1234567890", "-0.0000000001", 2**62]),
        ("d100", [1230, -5, 0, 9007199254740993, "12", "1.0", "-0.0", 123.0]),
        ("d1000", [1000, 10, -70, 0, "00", "1230.00"]),
        ("b", [True, False]),
        ("day", [0, -1, 20600, -719162, 2932896, "2024-02-29", "1900-02-28", "2000-02-29", "2026-01-31T00:00:00.00Z"]),
        ("t", [0, -1, COMMITTED, -62135596800000000, 253402300799999999, "2026-11-21T23:02:03.123456Z",
               "0001-01-01T00:00:00Z",
               "2026-11-21 23:02:03.1+05:30", "2026-11-21T23:02:03-0800", "1969-12-31T23:59:59.999999+01",
               "9999-12-31T23:59:59Z"]),
        ("a", ["x", "1", 1, True, "true", "null", "a.b"]),
        ("v", ["a", "7", 7, True, "null", "$"]),
    ],
)  # fmt: skip
def test_what_a_type_accepts_is_converted_as_by_the_worker(column: str, values: list[Any]) -> None:
    for value in values:
        assert same(one_of(column), "shop", b'{"id":1}', change({"x": value})) == "row", value


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("s", [[1], {}, "a\0", "__debezium_unavailable_value"]),
        ("i", [2**31, -(2**31) - 1, "7.5", 7.5, True, "7\n", "", "x", [7], "null"]),
        ("l", [2**63, "9223372036854775808"]),
        ("l100", [150, "10", 0.5]),
        ("f", ["NaN", "Infinity", "", True, "null"]),
        ("d", ["12.345", 0.001, 10**17, "1e400", "", ".", "-", True, "null"]),
        ("d100", ["0.5", 0.001]),
        ("d1000", [1, 15, "1000.1"]),
        ("b", [0, 1, "true", "null"]),
        ("day", [2932897, -719163, "2023-02-29", "1900-02-29", "2026-13-01", "2026-01-31T01:00:00Z",
                 "0000-01-01", 1.5]),
        ("t", [253402300800000000, "2026-11-21T23:02:03", "2026-02-30T00:00:00Z", "2026-11-21T24:00:00Z",
               "2026-11-21T23:02:03.1234567Z", "0001-01-01T00:00:00+01:00", "5", True, 1.5]),
        ("a", ["y", 2, False, "X"]),
        ("v", ["b", 8, False]),
    ],
)  # fmt: skip
def test_what_a_type_refuses_is_a_dead_letter_as_with_the_worker(column: str, values: list[Any]) -> None:
    for value in values:
        assert same(one_of(column), "shop", b'{"id":1}', change({"x": value})) == "dead", value


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("s", [{"$oid": "65f0"}, {"$numberLong": "5"}, {"$numberDecimal": "1.50"}, {"$uuid": "5-5"},
               {"$binary": {"base64": "AA==", "subType": "00"}}, "text", 5, True, '{"$oid": "x"}', "null"]),
        ("l", [{"$numberLong": "-9"}, {"$numberInt": "7"}, {"$numberDecimal": "12.0"}, 3, "4"]),
        ("l100", [{"$numberLong": "1200"}, {"$numberDecimal": "100.0"}, {"$numberLong": "0"}]),
        ("f", [1.5, {"$numberDecimal": "0.1"}, {"$numberLong": "5"}]),
        ("d", [{"$numberDecimal": "12.3"}, {"$numberDecimal": "-0"}, 12.25, {"$numberLong": "5"}]),
        ("d100", [{"$numberLong": "1230"}, 7]),
        ("day", [{"$date": 1_795_305_600_000}, {"$date": -86_400_000}, {"$date": "2026-11-22T00:00:00Z"},
                 {"$date": {"$numberLong": "0"}}, "2026-11-22"]),
        ("t", [{"$date": 0}, {"$date": -1}, {"$date": "2026-11-21T23:02:03.456Z"},
               {"$date": {"$numberLong": "-62135596800000"}},
               "2026-11-21T23:02:03+01:00"]),
        ("a", ["x", 1, {"$symbol": "x"}, {"$numberLong": "1"}]),
        ("v", [7, {"$numberLong": "7"}, "a"]),
    ],
)  # fmt: skip
def test_extended_json_is_converted_as_by_the_worker(column: str, values: list[Any]) -> None:
    for value in values:
        document = {"_id": 1, "x": value}
        assert same(one_of(column, mongo=True), "shop", b'{"id":"1"}', change(json.dumps(document))) == "row", value


@pytest.mark.parametrize("mongo", [False, True])
@pytest.mark.parametrize("column", sorted(TAKEN))
def test_null_and_missing_are_told_apart_where_the_worker_does(column: str, *, mongo: bool) -> None:
    for nullable, default in ((True, None), (False, None)):
        for row in ({"x": None}, {}, {"y": None}):
            state: object = json.dumps(row) if mongo else row
            table = one_of(column, mongo=mongo, nullable=nullable, default=default)
            same(table, "shop", b'{"id":"1"}', change(state))


def test_a_default_stands_in_for_null_and_missing() -> None:
    table = one_of("s", default="unknown")
    for row in ({"x": None}, {}):
        assert same(table, "shop", b'{"id":1}', change(row)) == "row"


def test_a_field_further_inside_of_the_same_name_is_not_mistaken() -> None:
    table = one_of("s", mongo=True)
    for row in ({"y": {"x": "a"}, "x": "b"}, {"x": None, "y": {"x": 5}}, {"y": {"x": 5}}):
        assert same(table, "shop", b'{"id":"1"}', change(json.dumps(row))) == "row"
    # Of the other sort: it cannot be known what the outer one is.
    assert both(table, "shop", b'{"id":"1"}', change(json.dumps({"x": "5", "y": {"x": 5}})))[1] == "dead"


def test_a_name_that_is_written_with_escapes_is_not_guessed_at() -> None:
    assert both(one_of("s", mongo=True), "shop", b'{"id":"1"}', change('{"\\u0078": "null"}'))[1] == "dead"
    inside = one_of("s", mongo=True, path="o.x")
    assert same(inside, "shop", b'{"id":"1"}', change('{"\\u006f": "{\\"x\\": 5}"}')) == "dead"


@pytest.mark.parametrize("mongo", [False, True])
@pytest.mark.parametrize(
    "inner", [None, {}, {"x": 5}, {"x": "t"}, {"x": None}, [], 7, "text", {"$oid": "a"}, {"x": [1]}, {"y": {"x": 1}}]
)
def test_a_field_inside_of_a_column_is_the_workers(inner: object, *, mongo: bool) -> None:
    for column in ("s", "l"):
        for nullable in (True, False):
            table = one_of(column, mongo=mongo, path="o.x", nullable=nullable)
            row = {"o": inner if mongo else json.dumps(inner)}
            same(table, "shop", b'{"id":"1"}', change(json.dumps(row) if mongo else row))
            same(table, "shop", b'{"id":"1"}', change("{}" if mongo else {}))


@pytest.mark.parametrize(
    "document", ['{"x":1} {"x":2}', '{"x":1},{"x":2}', '{"x":1}]', '{"x":1}}', "{", "", " null ", "nul"]
)
def test_a_text_that_is_more_than_one_document_is_none(document: str) -> None:
    same(one_of("l", path="o.x"), "shop", b'{"id":1}', change({"o": document}))


def test_the_first_of_several_columns_counts() -> None:
    table = contract(
        SENSORS
        | {"sources": [postgresql("shop", {"value": {"from": ["new", "old"]}, "taken_at": {"from": ["a.t", "b.t"]}})]}
    )
    inside = '{"t": "2026-01-01T00:00:00Z"}'
    for row in (
        {"new": 1, "old": 2, "a": inside},
        {"new": None, "old": 2, "a": "{}", "b": inside},
        {"old": 2, "a": None, "b": inside},
        {"a": inside},
        {"old": 1, "a": "7", "b": inside},
        {"old": 1, "a": inside, "b": "7"},
        {"old": 1, "a": "{", "b": inside},
        {"old": 1, "a": inside, "b": "{"},
        {"old": 1},
    ):
        same(table, "shop", b'{"id":1}', change(row))


@pytest.mark.parametrize("source", ["north", "south", "east", "west"])
def test_four_sources_of_odd_names_are_the_workers(source: str) -> None:
    row = {"id": 'its "5"', "n": None, "at": COMMITTED, "place": 1, "count": {"total": 7}}
    if source in ("east", "west"):
        document = row | {"_id": "5", "at": {"$date": 0}, "countedAt": {"$date": 5}}
        assert same(contract(FOUR), source, b'{"id":"\\"5\\""}', change(json.dumps(document))) == "row"
    else:
        assert same(contract(FOUR), source, b'{"id":"5","shelf":7}', change(row)) == "row"


def local(zone: str) -> Contract:
    taken = {"value": {"constant": 1}, "taken_at": {"from": "at", "timezone": zone}}
    return contract(SENSORS | {"sources": [postgresql("plant", taken)]})


ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "UTC",
]


@given(st.sampled_from(ZONES), st.integers(0, 4_102_444_800), st.integers(0, 999_999))
def test_local_times_are_the_workers(zone: str, seconds: int, micros: int) -> None:
    # To the quarter of an hour, so that skipped and repeated ones come up.
    at = (seconds - seconds % 900) * 1_000_000 + micros
    assert same(local(zone), "plant", b'{"id":1}', change({"at": at})) == "row"


@pytest.mark.parametrize("hour", range(6))
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2011-12-30", "2026-04-05", "2018-11-04", "2018-02-17"])
def test_skipped_and_repeated_times_are_the_workers(day: str, hour: int) -> None:
    for zone in ZONES:
        for text in (f"{day}T0{hour}:30:00.5", f"{day} 0{hour}:00:00", f"{day} 23:{hour}5:00"):
            assert same(local(zone), "plant", b'{"id":1}', change({"at": text})) == "row"


def test_a_local_time_before_1970_is_left_to_the_worker() -> None:
    for at in (-1, "1969-12-31T23:59:59", "0001-01-01 00:00:00"):
        assert both(local("Europe/Berlin"), "plant", b'{"id":1}', change({"at": at}))[1] == "dead"


numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000)
numerals = st.from_regex(r"[+-]?[0-9]{0,20}(\.[0-9]{0,18})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
moments = st.datetimes().map(lambda moment: moment.isoformat()) | st.dates().map(lambda day: day.isoformat())
zoned = st.builds(
    lambda text, zone: text + zone, moments, st.sampled_from(["Z", "", "+01:00", "-0930", "+14", "-23:59", " "])
)
texts = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | numerals
    | zoned
    | st.sampled_from(
        ["null", "true", "a", "x", "7", "{}", "[]", '{"x":1}', "NaN", "2026-W01-1T00:00:00Z", "2026-01-31T12Z"]
    )
)
wrappers = st.sampled_from(
    ["$oid", "$numberLong", "$numberInt", "$numberDecimal", "$numberDouble", "$date", "$binary", "$uuid", "$x"]
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["x", "y", "o", "$date"]) | texts, inner, max_size=3)
        | st.dictionaries(wrappers, texts | numbers | inner, min_size=1, max_size=1)
    ),
    max_leaves=4,
)
places = st.tuples(st.sampled_from(sorted(TAKEN)), st.booleans(), st.sampled_from(["x", "o.x"]), st.booleans())


readings = st.fixed_dictionaries({"through_doubles": st.booleans(), "functions_too": st.booleans()})


@given(places, values, st.sampled_from("cd"), readings)
def test_any_value_is_the_workers_or_a_dead_letter(
    place: tuple[str, bool, str, bool], value: object, op: str, reading: dict[str, bool]
) -> None:
    column, mongo, path, nullable = place
    table = one_of(column, mongo=mongo, path=path, nullable=nullable)
    inner = {"x": value, "z": 1}
    row: object = inner if path == "x" else {"o": inner if mongo else json.dumps(inner, ensure_ascii=False)}
    if mongo:
        row = json.dumps(row, ensure_ascii=False)
    both(table, "shop", b'{"id":"1"}', change(row, op, row), **reading)


@given(
    column=st.sampled_from(sorted(TAKEN)),
    numeral=numerals,
    quoted=st.booleans(),
    inside=st.booleans(),
    reading=readings,
)
def test_any_writing_of_a_number_is_the_workers_or_a_dead_letter(
    *, column: str, numeral: str, quoted: bool, inside: bool, reading: dict[str, bool]
) -> None:
    text = json.dumps(numeral) if quoted else numeral
    # Read as it was written, 5e0 would be 5. Java writes no double so.
    assume(quoted or inside or reading["through_doubles"] or not re.search("[eE]", numeral))
    after = json.dumps({"o": f'{{"x":{text}}}'}) if inside else f'{{"x":{text}}}'
    value = f'{{"op":"c","before":null,"after":{after},"source":{json.dumps(SOURCE)}}}'
    table = one_of(column, path="o.x" if inside else "x")
    both(table, "shop", b'{"id":1}', value.encode(), **reading)


@given(st.sampled_from(["store", "webshop", "marketplace"]), st.sampled_from("curdt?"), values, st.data())
def test_any_row_of_the_example_is_the_workers_or_a_dead_letter(
    source: str, op: str, value: object, data: st.DataObject
) -> None:
    row: dict[str, Any] = dict(ROWS[source])
    row[data.draw(st.sampled_from(sorted(row)))] = value
    if source == "marketplace":
        state: object = json.dumps(row, ensure_ascii=False)
    else:
        state = row
    both(without_json(), source, KEYS[source], change(state, op, state))


@given(source=st.sampled_from([*KEYS]), key=values, value=values, usable=st.booleans())
def test_any_key_and_any_json_have_an_outcome(*, source: str, key: object, value: object, usable: bool) -> None:
    shaped = (
        {"id": json.dumps(key) if source == "marketplace" else key, "shop_code": key, "order_no": 1} if usable else key
    )
    written = json.dumps(shaped, ensure_ascii=False).encode()
    both(without_json(), source, written, change(of(source, ROWS[source])))
    both(without_json(), source, KEYS[source], json.dumps(value, ensure_ascii=False).encode())


@given(st.none() | st.binary(max_size=30))
def test_any_bytes_of_a_key_have_an_outcome(key: bytes | None) -> None:
    both(without_json(), "store", key, change(STORE))


def test_only_a_value_with_bytes_that_are_no_utf_8_is_in_neither_topic() -> None:
    # ksqlDB cannot read it, and shows it in its processing log; Connect writes no such value.
    value = change(STORE).replace(b"EUR", b"E\xffR")
    assert isinstance(plain_mapping(without_json(), "store")(KEYS["store"], value, 0, 0), Dead)
    assert server(without_json()).process("raw.orders.store", KEYS["store"], value, 0, 0) == []
