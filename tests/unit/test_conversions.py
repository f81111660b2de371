"""Every type from everything that a source may send: exactly, or not at all."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from contracts import one_column
from hypothesis import given
from hypothesis import strategies as st
from raw import change

from dropless.union.mapping import Row, compile_mapping

REFUSED = object()
INFINITY = 9223372036854775807


def convert(column: str | dict[str, Any], expression: object, value: object, *, mongo: bool = False) -> object:
    """The unified value of a source column `v`, or REFUSED."""
    declared = {"type": column} if isinstance(column, str) else column
    to_row = compile_mapping(one_column(declared, expression, mongo=mongo), "shop")
    row = {} if value is ... else {"v": value}
    key = b'{"id":"1"}' if mongo else b'{"id":1}'
    outcome = to_row(key, change(json.dumps(row) if mongo else row), 0, 0)
    if not isinstance(outcome, Row):
        return REFUSED
    found = orjson.loads(outcome.value)
    return found["x_us"] if "x_us" in found else found["x"]


def same(found: object, expected: object) -> bool:
    return type(found) is type(expected) and found == expected


POSTGRESQL: list[tuple[str, Any, Any]] = [
    ("string", "text", "text"),
    ("string", "", ""),
    ("string", 'Grüße 🎁 \\ "', 'Grüße 🎁 \\ "'),
    ("string", 9007199254740993, "9007199254740993"),
    ("string", True, "true"),
    ("string", 1.5, "1.5"),
    ("string", None, None),
    ("string", "a\0b", REFUSED),
    ("string", {"a": 1}, REFUSED),
    ("string", [1], REFUSED),
    ("string", "__debezium_unavailable_value", REFUSED),
    ("string", "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", REFUSED),
    ("int", 2147483647, 2147483647),
    ("int", -2147483648, -2147483648),
    ("int", 2147483648, REFUSED),
    ("int", "12", 12),
    ("int", "12.00", 12),
    ("int", 12.0, 12),
    ("int", 12.5, REFUSED),
    ("int", "12.5", REFUSED),
    ("int", "twelve", REFUSED),
    ("int", "", REFUSED),
    ("int", "1_000", REFUSED),
    ("int", "١٢", REFUSED),
    ("int", False, REFUSED),
    ("int", {}, REFUSED),
    ("long", 9223372036854775807, 9223372036854775807),
    ("long", 9223372036854775808, REFUSED),
    ("long", "9223372036854775807", 9223372036854775807),
    ("long", "9223372036854775808", REFUSED),
    ("long", "1e3", 1000),
    ("long", "1e999", REFUSED),
    ("long", "1e9999999", REFUSED),
    ("double", 1.5, 1.5),
    ("double", 3, 3.0),
    ("double", "2.500", 2.5),
    ("double", "0.1", 0.1),
    ("double", "1e400", REFUSED),
    ("double", "NaN", REFUSED),
    ("double", "NAN", REFUSED),
    ("double", "Infinity", REFUSED),
    ("double", True, REFUSED),
    ("decimal(6,2)", "12.30", "12.30"),
    ("decimal(6,2)", "12.3", "12.30"),
    ("decimal(6,2)", "12.3000", "12.30"),
    ("decimal(6,2)", "0.05", "0.05"),
    ("decimal(6,2)", "-0.05", "-0.05"),
    ("decimal(6,2)", "-0.00", "0.00"),
    ("decimal(6,2)", "+7", "7.00"),
    ("decimal(6,2)", "007.00", "7.00"),
    ("decimal(6,2)", ".5", "0.50"),
    ("decimal(6,2)", "1e3", "1000.00"),
    ("decimal(6,2)", 12, "12.00"),
    ("decimal(6,2)", 12.3, "12.30"),
    ("decimal(6,2)", "12.345", REFUSED),
    ("decimal(6,2)", "9999.99", "9999.99"),
    ("decimal(6,2)", "10000.00", REFUSED),
    ("decimal(6,2)", "-10000", REFUSED),
    ("decimal(6,2)", "NAN", REFUSED),
    ("decimal(6,2)", "NaN", REFUSED),
    ("decimal(6,2)", "Infinity", REFUSED),
    ("decimal(6,2)", "-Infinity", REFUSED),
    ("decimal(6,2)", "1,50", REFUSED),
    ("decimal(6,2)", ".", REFUSED),
    ("decimal(2,2)", "0.99", "0.99"),
    ("decimal(2,2)", "1.00", REFUSED),
    ("decimal(3,0)", "120", "120"),
    ("decimal(3,0)", "12e1", "120"),
    ("decimal(38,0)", "9" * 38, "9" * 38),
    ("decimal(38,38)", "0." + "9" * 38, "0." + "9" * 38),
    ("boolean", True, True),
    ("boolean", False, False),
    ("boolean", 1, REFUSED),
    ("boolean", "true", REFUSED),
    ("date", 0, "1970-01-01"),
    ("date", -719162, "0001-01-01"),
    ("date", 2932896, "9999-12-31"),
    ("date", -719163, REFUSED),
    ("date", 2932897, REFUSED),
    ("date", 2146033979, REFUSED),
    ("date", "2026-02-28", "2026-02-28"),
    ("date", "2026-02-29", REFUSED),
    ("date", "2026-02-28T00:00:00Z", "2026-02-28"),
    ("date", "2026-02-28T00:00:01Z", REFUSED),
    ("date", True, REFUSED),
    ("date", 1.5, REFUSED),
    ("timestamp", 0, 0),
    ("timestamp", -1, -1),
    ("timestamp", -62135596800000000, -62135596800000000),
    ("timestamp", 253402300799999999, 253402300799999999),
    ("timestamp", -62135596800000001, REFUSED),
    ("timestamp", 253402300800000000, REFUSED),
    ("timestamp", INFINITY, REFUSED),
    ("timestamp", -INFINITY - 1, REFUSED),
    ("timestamp", "1970-01-01T00:00:00Z", 0),
    ("timestamp", "2026-11-21T23:02:03.123456Z", 1795302123123456),
    ("timestamp", "2026-11-21T23:02:03.1Z", 1795302123100000),
    ("timestamp", "2026-11-21T23:02:03.123456000Z", 1795302123123456),
    ("timestamp", "2026-11-21T23:02:03.1234567Z", REFUSED),
    ("timestamp", "2026-11-22T00:02:03+01:00", 1795302123000000),
    ("timestamp", "2026-11-21 23:02:03+00", 1795302123000000),
    ("timestamp", "2026-11-21T23:02:03", REFUSED),
    ("timestamp", "-0043-03-15T00:00:00Z", REFUSED),
    ("timestamp", "+10000-01-01T00:00:00Z", REFUSED),
    ("timestamp", "0001-01-01T00:00:00+01:00", REFUSED),
    ("timestamp", "infinity", REFUSED),
    ("timestamp", "-infinity", REFUSED),
    ("timestamp", "2026-13-01T00:00:00Z", REFUSED),
    ("timestamp", "soon", REFUSED),
    ("timestamp", 1.5, REFUSED),
    ("timestamp", False, REFUSED),
    ("json", '{"b": 1,  "a": "\\u00e4"}', '{"a":"ä","b":1}'),
    ("json", "[1, 2.50, null]", "[1,2.5,null]"),
    ("json", '"text"', '"text"'),
    ("json", "null", "null"),
    ("json", '{"n": 12345678901234567890123.10}', '{"n":12345678901234567890123.10}'),
    ("json", '{"n": 18446744073709551616}', '{"n":18446744073709551616}'),
    ("json", '{"n": 0.1000000000000000055511151231257827}', '{"n":0.1000000000000000055511151231257827}'),
    ("json", '{"n": 1e2}', '{"n":100.0}'),
    ("json", '{"n": 1e400}', '{"n":1e400}'),
    ("json", '{"a": 1', REFUSED),
    ("json", "NaN", REFUSED),
    ("json", '{"a": NaN, "b": 1e1}', REFUSED),
    ("json", "[" * 100_000, REFUSED),
    ("json", "[" * 300 + "]" * 300, REFUSED),
    ("json", "[1e1," * 500 + "1" + "]" * 500, REFUSED),
    ("json", ["a", "b"], '["a","b"]'),
    ("json", "__debezium_unavailable_value", REFUSED),
    ("json", ["__debezium_unavailable_value"], REFUSED),
]

MONGODB: list[tuple[str, Any, Any]] = [
    ("string", "text", "text"),
    ("string", {"$oid": "65f0"}, "65f0"),
    ("string", {"$numberLong": "5"}, "5"),
    ("string", {"$numberDecimal": "1.50"}, "1.50"),
    ("string", {"$binary": "AAE=", "$type": "04"}, "AAE="),
    ("string", {"$binary": {"base64": "AAE=", "subType": "00"}}, "AAE="),
    ("string", {"$date": 1500}, "1970-01-01T00:00:01.500000Z"),
    ("string", {"inner": 1}, REFUSED),
    ("string", {"$oid": 5}, REFUSED),
    ("string", "a\0b", REFUSED),
    ("int", 5, 5),
    ("int", 5.0, 5),
    ("int", 5.5, REFUSED),
    ("int", {"$numberLong": "5"}, 5),
    ("int", {"$numberLong": "2147483648"}, REFUSED),
    ("int", {"$numberInt": "5"}, 5),
    ("int", {"$date": 5}, REFUSED),
    ("long", {"$numberLong": "9223372036854775807"}, 9223372036854775807),
    ("long", {"$numberLong": "9" * 5000}, REFUSED),
    ("long", {"$numberLong": None}, REFUSED),
    ("double", {"$numberDouble": "1.5"}, 1.5),
    ("double", {"$numberDouble": "Infinity"}, REFUSED),
    ("double", {"$numberDouble": "1e999"}, REFUSED),
    ("double", {"$numberDecimal": "0.1"}, 0.1),
    ("double", {"$numberDecimal": "NaN"}, REFUSED),
    ("decimal(6,2)", {"$numberDecimal": "12.3"}, "12.30"),
    ("decimal(6,2)", {"$numberDecimal": "1.23E+3"}, "1230.00"),
    ("decimal(6,2)", {"$numberDecimal": "-Infinity"}, REFUSED),
    ("decimal(6,2)", {"$numberDecimal": "0.001"}, REFUSED),
    ("decimal(6,2)", 12.3, "12.30"),
    ("boolean", True, True),
    ("boolean", 0, REFUSED),
    ("date", {"$date": 1795305600000}, "2026-11-22"),
    ("date", {"$date": 1795305600001}, REFUSED),
    ("date", "2026-11-22", "2026-11-22"),
    ("date", 20600, REFUSED),
    ("timestamp", {"$date": 1795309323456}, 1795309323456000),
    ("timestamp", {"$date": -1}, -1000),
    ("timestamp", {"$date": {"$numberLong": "1"}}, 1000),
    ("timestamp", {"$date": "2026-11-21T23:02:03.456Z"}, 1795302123456000),
    ("timestamp", {"$date": 2**60}, REFUSED),
    ("timestamp", {"$date": "never"}, REFUSED),
    ("timestamp", {"$date": True}, REFUSED),
    ("timestamp", 1795309323456, REFUSED),
    ("timestamp", {"$timestamp": {"t": 1, "i": 1}}, REFUSED),
    ("json", {"b": {"$numberLong": "5"}, "a": {"$oid": "65f0"}}, '{"a":"65f0","b":5}'),
    ("json", "text", '"text"'),
    ("json", [{"$date": 0}, {"$numberDecimal": "0.10"}], '["1970-01-01T00:00:00Z","0.10"]'),
    ("json", {"n": {"$numberLong": "9" * 30}}, REFUSED),
    ("json", {"deep": json.loads("[" * 150 + "]" * 150)}, REFUSED),
    ("json", {"d": {"$numberDouble": "NaN"}}, REFUSED),
]


@pytest.mark.parametrize(("type_", "value", "expected"), POSTGRESQL, ids=lambda each: f"{each!r:.40}")
def test_a_postgresql_value(type_: str, value: object, expected: object) -> None:
    assert same(convert(type_, "v", value), expected)


@pytest.mark.parametrize(("type_", "value", "expected"), MONGODB, ids=lambda each: f"{each!r:.40}")
def test_a_mongodb_value(type_: str, value: object, expected: object) -> None:
    assert same(convert(type_, "v", value, mongo=True), expected)


@pytest.mark.parametrize("type_", ["string", "int", "decimal(6,2)", "boolean", "date", "json"])
@pytest.mark.parametrize("mongo", [False, True])
def test_null_stays_null_unless_the_column_must_not_be(type_: str, mongo: bool) -> None:  # noqa: FBT001
    assert convert(type_, "v", None, mongo=mongo) is None
    assert convert({"type": type_, "nullable": False}, "v", None, mongo=mongo) is REFUSED


def test_a_field_that_a_document_lacks_is_null_and_a_column_that_a_table_lacks_is_not() -> None:
    assert convert("int", "v", ..., mongo=True) is None
    assert convert("int", "v", ...) is REFUSED


@pytest.mark.parametrize("mongo", [False, True])
@pytest.mark.parametrize("value", [None, ...])
def test_a_default_stands_in_for_null_and_missing(value: object, mongo: bool) -> None:  # noqa: FBT001
    expression = {"from": "v", "default": "1.5"}
    assert convert("decimal(4,2)", expression, value, mongo=mongo) == "1.50"
    assert convert({"type": "decimal(4,2)", "nullable": False}, expression, value, mongo=mongo) == "1.50"
    assert convert("decimal(4,2)", expression, "x", mongo=mongo) is REFUSED


@pytest.mark.parametrize(
    ("type_", "constant", "expected"),
    [
        ("string", "shop", "shop"),
        ("decimal(4,2)", 1.5, "1.50"),
        ("date", "2026-02-28", "2026-02-28"),
        ("timestamp", "1970-01-01T00:00:01Z", 1_000_000),
    ],
)
def test_a_constant_is_in_every_row(type_: str, constant: object, expected: object) -> None:
    assert convert(type_, {"constant": constant}, "ignored") == expected


@pytest.mark.parametrize(
    ("type_", "divisor", "value", "expected"),
    [
        ("decimal(18,2)", 100, 1230, "12.30"),
        ("decimal(18,2)", 100, -5, "-0.05"),
        ("decimal(18,2)", 100, 0, "0.00"),
        ("decimal(18,2)", 100, 9007199254740993, "90071992547409.93"),
        ("decimal(18,2)", 100, "1230", "12.30"),
        ("decimal(18,2)", 1000, 1230, "1.23"),
        ("decimal(18,2)", 1000, 1235, REFUSED),
        ("decimal(18,2)", 3, 9, "3.00"),
        ("decimal(18,2)", 3, 10, REFUSED),
        ("decimal(4,2)", 100, 10000, REFUSED),
        ("decimal(18,2)", 100, "x", REFUSED),
        ("decimal(18,2)", 100, True, REFUSED),
        ("int", 60, 120, 2),
        ("int", 60, 121, REFUSED),
        ("double", 1000, 2500, 2.5),
        ("double", 1000, "0.3", 0.0003),
        ("double", 3, 1, 1 / 3),
        ("double", 10, 0.3, 0.03),
    ],
)
def test_a_division_is_exact_where_the_type_is(type_: str, divisor: int, value: object, expected: object) -> None:
    assert same(convert(type_, {"from": "v", "divide": divisor}, value), expected)


@pytest.mark.parametrize(
    ("value", "expected"), [(1, "one"), ("1", "one"), (True, "yes"), ("x", "else"), (2, REFUSED), (None, None)]
)
@pytest.mark.parametrize("mongo", [False, True])
def test_values_are_looked_up_by_their_text(value: object, expected: object, mongo: bool) -> None:  # noqa: FBT001
    expression = {"from": "v", "values": {1: "one", "true": "yes", "x": "else"}}
    assert convert("string", expression, value, mongo=mongo) == expected


def test_values_of_mongodb_are_looked_up_without_their_wrapper() -> None:
    expression = {"from": "v", "values": {1: True, "0": False}}
    assert convert("boolean", expression, {"$numberLong": "1"}, mongo=True) is True
    assert convert("boolean", expression, {"inner": 1}, mongo=True) is REFUSED


def test_only_allowed_values_pass() -> None:
    column = {"type": "string", "allowed": ["paid"]}
    assert convert(column, "v", "paid") == "paid"
    assert convert(column, "v", "Paid") is REFUSED
    assert convert(column, "v", None) is None


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-01-15T12:00:00", "2026-01-15T11:00:00Z"),
        ("2026-07-15T12:00:00.000001", "2026-07-15T10:00:00.000001Z"),
        # The clock goes from 2 to 3: what it skipped is moved on by an hour.
        ("2026-03-29T01:59:59.999999", "2026-03-29T00:59:59.999999Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
        # It shows 2 to 3 twice: the first is meant.
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
        # Before time zones: 53 minutes and 28 seconds.
        ("1890-01-01T00:00:00", "1889-12-31T23:06:32Z"),
    ],
)
def test_a_local_time_becomes_utc(local: str, utc: str) -> None:
    expression = {"from": "v", "timezone": "Europe/Berlin"}
    expected = convert("timestamp", "v", utc)
    as_if_utc = convert("timestamp", "v", f"{local}Z")
    assert convert("timestamp", expression, as_if_utc) == expected
    assert convert("timestamp", expression, local) == expected
    assert convert("timestamp", expression, utc) is REFUSED


def test_a_local_time_at_the_end_of_the_calendar_is_refused_or_in_it() -> None:
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        expression = {"from": "v", "timezone": zone}
        for value in (-62135596800000000, 253402300799999999):
            found = convert("timestamp", expression, value)
            assert found is REFUSED or isinstance(found, int)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("v.a.b", {"a": {"b": 5}}, 5),
        ("v.a.b", {"a": {}}, None),
        ("v.a.b", {"a": None}, None),
        ("v.a.b", {}, None),
        ("v.a.b", {"a": 5}, REFUSED),
        ("v.a.b", {"a": [5]}, REFUSED),
        ('v."a.b"', {"a.b": 5}, 5),
    ],
)
@pytest.mark.parametrize("mongo", [False, True])
def test_a_path_leads_into_documents(path: str, value: Any, expected: object, mongo: bool) -> None:  # noqa: FBT001
    assert convert("int", path, value if mongo else json.dumps(value), mongo=mongo) == expected


def test_a_path_does_not_lead_into_a_wrapped_value() -> None:
    assert convert("int", "v.a", {"$numberLong": "5"}, mongo=True) is REFUSED


def test_a_path_into_jsonb_keeps_numbers_exact() -> None:
    value = '{"price": 12345678901234567.89}'
    assert convert("decimal(20,2)", "v.price", value) == "12345678901234567.89"
    assert convert("json", "v", value) == '{"price":12345678901234567.89}'
    assert convert("json", "v.price", value) == "12345678901234567.89"
    assert convert("json", "v.x", '{"x": "text"}') == '"text"'


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**14), max_value=10**14))
def test_any_decimal_arrives_exactly_or_not_at_all(number: Decimal) -> None:
    found = convert("decimal(16,3)", "v", str(number))
    fits = number * 1000 == int(number * 1000) and abs(number) < 10**13
    assert (found is not REFUSED) == fits
    if fits:
        assert isinstance(found, str)
        assert Decimal(found) == number
        assert len(found.partition(".")[2]) == 3


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from([2, 3, 7, 10, 100, 1000]))
def test_any_division_is_exact_or_refused(number: int, divisor: int) -> None:
    found = convert("decimal(38,3)", {"from": "v", "divide": divisor}, number)
    if found is REFUSED:
        assert number * 1000 % divisor
    else:
        assert isinstance(found, str)
        assert Decimal(found) * divisor == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_double_survives_as_text_and_as_number(number: float) -> None:
    assert convert("double", "v", number) == number
    assert convert("double", "v", repr(number)) == number
