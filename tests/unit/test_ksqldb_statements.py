"""The statements that a contract becomes: as they are, with what is nasty in them, and what is refused."""

from __future__ import annotations

import json
import re
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from contracts import CHANGING, FOUR, SENSORS, contract, mongodb, one_column, orders, postgresql
from hypothesis import given
from hypothesis import strategies as st
from ksqldb_expressions import evaluated
from ksqldb_functions import NotModelled
from ksqldb_reference import Server
from raw import change
from syrupy.assertion import SnapshotAssertion
from test_ksqldb_mapping import without_json

from dropless import durability, names
from dropless.contract import Contract
from dropless.contract.literals import INT_RANGE, LONG_RANGE
from dropless.ksqldb import desired, naming, sql
from dropless.ksqldb.dead_letters import Letter, letter
from dropless.ksqldb.inexpressible import Inexpressible
from dropless.ksqldb.patterns import END, between, exactly, long, up_to
from dropless.ksqldb.statements import statements
from dropless.union.mapping import fields
from dropless.union.moments import local_microseconds_of_text, to_utc


def test_the_examples_statements(snapshot: SnapshotAssertion) -> None:
    # In lines that can be read in a difference.
    told = [re.sub(r" (WHEN|ELSE|END\b)", r"\n    \1", statement) for statement in statements(without_json()).ordered]
    assert "\n\n".join(told) == snapshot


def test_each_source_has_its_streams_and_queries_over_its_own_topic() -> None:
    made = statements(contract(FOUR))
    assert [stream.topic for stream in made.streams[:2]] == ["unified.stock", "dead.stock"]
    raw = [stream.topic for stream in made.streams[2:]]
    assert raw == [
        topic for name in ("north", "south", "east", "west") for topic in [names.raw_topic("stock", name)] * 2
    ]
    assert [query.role for mapping in made.mappings for query in mapping.queries] == [*naming.ROLES] * 4
    assert len({stream.name for stream in made.streams}) == len(made.streams)


def test_a_unified_row_has_the_workers_fields_in_their_order() -> None:
    table = without_json()
    unified = statements(table).streams[0]
    assert tuple(name for name, _ in unified.columns) == fields(table)


def test_nothing_makes_a_topic_and_everything_is_exactly_once_from_the_beginning() -> None:
    for statement in statements(contract(FOUR)).ordered:
        assert "PARTITIONS" not in statement
        assert "REPLICAS" not in statement
        assert statement.endswith(";")
    told = durability.ksqldb_statement()
    assert told["ksql.streams.processing.guarantee"] == durability.layer("streams")["processing.guarantee"]
    assert told["ksql.streams.auto.offset.reset"] == "earliest"


def test_names_are_the_same_again_and_change_with_what_they_stand_for() -> None:
    first, again = statements(contract(SENSORS)), statements(contract(SENSORS))
    assert first == again
    taken = json.loads(json.dumps(SENSORS))
    taken["sources"][0]["columns"]["value"] = "fahrenheit"
    other = statements(contract(taken))
    assert [each.name for each in other.streams] == [each.name for each in first.streams]
    assert other.mappings[0].version != first.mappings[0].version
    wider = json.loads(json.dumps(SENSORS))
    wider["columns"].append({"name": "unit", "type": "string"})
    changed = statements(contract(wider))
    assert changed.streams[0].name != first.streams[0].name
    assert [each.name for each in changed.streams[1:]] == [each.name for each in first.streams[1:]]
    assert changed.mappings[0].version != first.mappings[0].version


def test_a_querys_id_tells_what_it_runs_and_is_no_other_sources() -> None:
    query = naming.query("rows", "orders", "store", "0f3a9c1e55aa")
    assert query == query.upper()
    assert naming.version_of(query, "rows", "orders", "store") == "0f3a9c1e55aa"
    for role, table, source in (("dead", "orders", "store"), ("rows", "orders", "stor"), ("rows", "orders", "store_0")):
        assert naming.version_of(query, role, table, source) is None
    assert naming.version_of("INSERTQUERY_7", "rows", "orders", "store") is None
    assert naming.is_stream_of("raw_orders_store_0f3a9c1e", "orders", "store")
    assert naming.is_stream_of("unified_orders_0f3a9c1e", "orders", "store")
    assert not naming.is_stream_of("raw_orders_store_eu_0f3a9c1e", "orders", "store")


def test_the_resources_are_what_a_plan_compares() -> None:
    *streams, north, south, east, west = desired.resources(contract(FOUR))
    mappings = [north, south, east, west]
    assert [each.kind for each in streams] == [desired.STREAM] * 10
    assert [each.name for each in mappings] == ["stock.north", "stock.south", "stock.east", "stock.west"]
    assert mappings[0].properties["queries"] == dict.fromkeys(naming.ROLES, "RUNNING")
    assert mappings[0].hints["partitions"] == contract(FOUR).partitions


# --- escaping -------------------------------------------------------------------------------------

NASTY = [
    "it's",
    "''",
    "'; DROP STREAM x; --",
    "`x`",
    "\\",
    "\\'",
    "a\nb",
    "${x}",
    "$${x}${",
    "${",
    "-- x",
    "/* x */",
    "é😀",
    "",
]


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(NASTY))
def test_any_text_is_itself_in_a_statement(text: str) -> None:
    written = sql.literal(text)
    assert evaluated(written, {}) == text
    assert "${" not in written


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=10) | st.sampled_from(NASTY), st.text(max_size=10))
def test_any_text_is_itself_in_a_pattern(text: str, other: str) -> None:
    assert evaluated(sql.found(f"^{exactly(text)}{END}", sql.literal(text)), {}) is True
    if other != text:
        assert re.search(f"^{exactly(text)}{END}", other) is None


@pytest.mark.parametrize("text", [each for each in NASTY if each and "\n" not in each])
@pytest.mark.parametrize("mongo", [False, True])
def test_a_nasty_constant_default_and_value_are_themselves_in_the_row(text: str, *, mongo: bool) -> None:
    make = mongodb if mongo else postgresql
    table = contract(
        {
            "name": "things",
            "columns": [
                {"name": "c", "type": "string"},
                {"name": "d", "type": "string"},
                {"name": "v", "type": "string"},
                {"name": "a", "type": "string", "allowed": [text, "x"]},
                {"name": "at", "type": "timestamp", "nullable": False},
            ],
            "time_column": "at",
            "sources": [
                make(
                    "shop",
                    {
                        "c": {"constant": text},
                        "d": {"from": "x", "default": text},
                        "v": {"from": "y", "values": {text: text, "x": "y"}},
                        "a": "y",
                        "at": {"constant": "2026-01-01T00:00:00Z"},
                    },
                )
            ],
        }
    )
    row: Any = {"x": None, "y": text}
    server = Server()
    for statement in statements(table).ordered:
        server.execute(statement)
    written = server.process("raw.things.shop", b'{"id":"1"}', change(json.dumps(row) if mongo else row), 0, 0)
    assert [written[0][2][name] for name in "cdva"] == [text] * 4


@pytest.mark.parametrize(
    "name", ["it's", "`x`", "a b", "größe", "a.b", "$x", "x]", "-- x", "[0]", "a:b", "CamelCase", "select"]
)
def test_a_nasty_column_is_read(name: str) -> None:
    quoted = f'"{name}"' if "." in name else name
    table = one_column({"type": "string"}, quoted)
    server = Server()
    for statement in statements(table).ordered:
        server.execute(statement)
    written = server.process("raw.things.shop", b'{"id":1}', change({name: "v", "at": 0}), 0, 0)
    assert written[0][2]["x"] == "v"


@given(st.integers(0, 10**20))
def test_a_limit_is_a_pattern(limit: int) -> None:
    pattern = re.compile(up_to(limit))
    for number in {0, 1, limit - 1, limit, limit + 1, limit * 10, limit // 10, limit // 2}:
        if number >= 0:
            assert bool(pattern.fullmatch(str(number))) == (number <= limit), number
    assert not pattern.fullmatch("")
    assert not pattern.fullmatch("-1")


@given(st.sampled_from([INT_RANGE, (-719_162, 2_932_896)]), st.integers(-(2**33), 2**33))
def test_a_range_is_a_pattern(limits: tuple[int, int], number: int) -> None:
    assert bool(re.fullmatch(between(*limits), str(number))) == (limits[0] <= number <= limits[1])
    assert bool(re.fullmatch(between(*limits, written=True), f"{number:+09d}")) == (limits[0] <= number <= limits[1])


@given(st.integers(-(2**66), 2**66) | st.sampled_from(LONG_RANGE))
def test_no_number_of_more_than_64_bits_is_a_long(number: int) -> None:
    inside = LONG_RANGE[0] <= number <= LONG_RANGE[1]
    taken = bool(re.fullmatch(long(), str(number)))
    assert inside or not taken
    assert taken or not inside or abs(number) >= 92 * 10**17


# --- refusals ----------------------------------------------------------------------------------------


def source(table: Contract) -> Inexpressible:
    with pytest.raises(Inexpressible) as refusal:
        statements(table)
    assert "ksqlDB cannot run the union" in str(refusal.value)
    return refusal.value


def test_the_example_is_refused_for_its_json_column() -> None:
    refusal = source(orders())
    assert (refusal.source, refusal.column) == ("store", "details")
    assert "sorted keys" in refusal.why


@pytest.mark.parametrize(
    ("type_", "expression_", "mongo", "why"),
    [
        ("json", "x", True, "JSON"),
        ("int", {"from": "x", "divide": 60}, False, "divide by 60"),
        ("double", {"from": "x", "divide": 1024}, False, "powers of ten"),
        ("decimal(9,2)", {"from": "x", "divide": 200}, False, "divide by 200"),
        ("timestamp", {"from": "x", "timezone": "Europe/Berlin"}, True, "`timezone`"),
        ("timestamp", {"from": "x", "timezone": "America/Havana"}, False, "midnight came twice"),
        ("timestamp", {"from": "x", "timezone": "EST5EDT"}, False, "Area/Place"),
        ("string", '"say""x"', False, "a quote or a backslash"),
        ("string", "a\\b", False, "a quote or a backslash"),
        ("string", "o.:x", True, "begins with ':'"),
    ],
)
def test_what_ksqldb_cannot_do_is_refused_by_column(type_: str, expression_: object, *, mongo: bool, why: str) -> None:
    refusal = source(one_column({"type": type_}, expression_, mongo=mongo))
    assert refusal.column == "x"
    assert why in str(refusal)


def test_a_refused_zone_would_give_other_times() -> None:
    text = "STRINGTOTIMESTAMP('2026-11-01 00:30:00', 'yyyy-MM-dd HH:mm:ss', 'America/Havana') * 1000"
    first = local_microseconds_of_text("2026-11-01T00:30:00")
    assert evaluated(text, {}) - to_utc(ZoneInfo("America/Havana"))(first) == 3_600_000_000


def test_quarantine_and_a_key_with_a_quote_are_refused_by_source() -> None:
    refusal = source(contract(CHANGING))
    assert (refusal.source, refusal.column) == ("strict", None)
    assert "quarantine" in refusal.why
    table = contract(SENSORS | {"sources": [postgresql("plant", SENSORS["sources"][0]["columns"], key=['a"b'])]})
    assert "its key's" in source(table).why


def test_a_json_column_that_no_source_fills_and_a_power_of_ten_are_fine() -> None:
    assert statements(one_column({"type": "json"}, None))
    assert statements(one_column({"type": "decimal(9,2)"}, {"from": "x", "divide": 100_000}))


# --- the reference, and what is read back -------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["UCASE('a')", "`a` LIKE 'b'", "CAST('1' AS DECIMAL(4,2))", "`a`->`b`", "CASE `a` WHEN 1 THEN 2 END"]
)
def test_the_reference_fails_on_what_it_does_not_know(text: str) -> None:
    with pytest.raises(NotModelled):
        evaluated(text, {"a": "x"})


def test_a_dead_letter_is_read_back_with_its_origin_and_column() -> None:
    table = one_column({"type": "int"}, "n")
    server = Server()
    for statement in statements(table).ordered:
        server.execute(statement)
    for state, column in (({"n": "secret", "at": 0}, "x"), ({"at": 0}, "x"), (None, None)):
        ((topic, key, told),) = server.process("raw.things.shop", b'{"id":1}', change(state), 2, 41)
        assert (topic, key) == ("dead.things", '{"id":1}')
        read = letter(orjson.dumps(told))
        assert isinstance(read, Letter)
        assert (read.column, read.source, read.origin) == (column, "shop", ("raw.things.shop", 2, 41))
        assert "secret" not in read.reason


def test_a_letter_of_the_workers_is_not_mistaken() -> None:
    for raw in (None, b"", b"{", b"[]", change({"n": 1})):
        assert letter(raw) is None
