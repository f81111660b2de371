"""Whatever a raw record holds, the mapper answers; and a row is what the registry's schema says."""

from __future__ import annotations

import json
import re
from typing import Any

import fastjsonschema
import orjson
from contracts import CHANGING, FOUR, contract, orders
from hypothesis import given
from hypothesis import strategies as st
from raw import KEYS, ROWS, SOURCE, of

from dropless.contract import Kind
from dropless.desired.schema_registry import unified_schema
from dropless.union.mapping import Dead, Row, compile_mapping, plain_mapping

ORDERS = orders()
TABLES = {table.name: table for table in (ORDERS, contract(FOUR), contract(CHANGING))}
MAPPERS = {
    (table.name, source.name): compile_mapping(table, source.name)
    for table in TABLES.values()
    for source in table.sources
}
PLAIN = {(table, source): plain_mapping(TABLES[table], source) for table, source in MAPPERS}
VALID = {table.name: fastjsonschema.compile(unified_schema(table)) for table in TABLES.values()}
MONEY = {
    (table.name, column.name): re.compile(rf"-?[0-9]+\.[0-9]{{{column.type.scale}}}")
    for table in TABLES.values()
    for column in table.columns
    if column.type.kind is Kind.DECIMAL
}

numbers = st.integers(-(2**70), 2**70) | st.floats()
texts = st.text(max_size=8) | st.sampled_from(
    ["NaN", "1e999", "-0.00", "12.30", "2026-01-01T00:00:00Z", "2026-01-01", "9999-12-31T23:59:59.999999-23:59", "{}"]
)
wrappers = st.sampled_from(["$oid", "$numberLong", "$numberDecimal", "$numberDouble", "$date", "$binary", "$x"])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts, inner, max_size=3)
        | st.dictionaries(wrappers, inner | texts | numbers, min_size=1, max_size=1)
    ),
    max_leaves=6,
)
places = st.sampled_from(sorted(MAPPERS))


def written(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def judge(place: tuple[str, str], key: bytes | None, value: bytes | None) -> Row | Dead | None:
    outcome = MAPPERS[place](key, value, 3, 2**40)
    # The shortcut for common records says nothing else than the mapping as it is written down.
    assert outcome == PLAIN[place](key, value, 3, 2**40)
    if isinstance(outcome, Row):
        row = orjson.loads(outcome.value)
        VALID[place[0]](row)
        assert outcome.key == row["_key"].encode()
        assert list(row) == list(unified_schema(TABLES[place[0]])["properties"])
        for (table, column), written_money in MONEY.items():
            assert table != place[0] or row[column] is None or written_money.fullmatch(row[column])
    elif isinstance(outcome, Dead):
        assert outcome.reason.endswith(".")
        outcome.reason.encode()
    else:
        assert value is None
    return outcome


@given(places, st.none() | st.binary(max_size=50), st.none() | st.binary(max_size=100))
def test_any_bytes_have_an_outcome(place: tuple[str, str], key: bytes | None, value: bytes | None) -> None:
    judge(place, key, value)


@given(places, values, values)
def test_any_json_has_an_outcome(place: tuple[str, str], key: object, value: object) -> None:
    judge(place, written(key), written(value))


@given(st.sampled_from(["store", "webshop", "marketplace"]), st.sampled_from("curdtm?"), st.data())
def test_any_value_in_a_row_has_an_outcome(source: str, op: str, data: st.DataObject) -> None:
    row: dict[str, Any] = dict(ROWS[source])
    for column in data.draw(st.lists(st.sampled_from(sorted(row)), min_size=1, max_size=3)):
        row[column] = data.draw(values)
    envelope = {"op": op, "source": SOURCE, "before": of(source, row), "after": of(source, row)}
    outcome = judge(("orders", source), KEYS[source], written(envelope))
    if op == "d" and isinstance(outcome, Dead):
        # Only a value that makes the whole record no JSON may hold a deletion up.
        assert outcome.reason.startswith("The value is not valid JSON")


@given(st.data())
def test_any_envelope_has_an_outcome(data: st.DataObject) -> None:
    place = data.draw(places)
    part = values | st.just(SOURCE) | st.just(json.dumps(ROWS["marketplace"])) | st.just(ROWS["store"])
    names = ["before", "after", "source", "op", "updateDescription"]
    envelope = {name: data.draw(part) for name in names} | {"op": data.draw(st.sampled_from("curd"))}
    judge(place, b'{"id":"1","shelf":2}', written(envelope))


DOCUMENTS = {text: json.loads(text) for text in ('{"city": "x"}', "{}", '{"city": null}', "[]", '{"city": "y"}', "7")}
usual = {
    "n": st.integers(0, 9),
    "count": st.integers(0, 9),
    "price": st.integers(0, 9) | st.just("1.25"),
    "total": st.integers(0, 9) | st.just("1.25"),
    "address": st.sampled_from(["null", '{"city": "x"}', "{}", '{"city": null}', "[]"]),
    "location": st.sampled_from(["null", '{"city": "y"}', "{}", "7"]),
    "note": st.sampled_from(["a", "b"]),
    "junk": st.sampled_from(["a", [1], 2**80]),
    "at": st.just(SOURCE["ts_us"]),
    "other": st.integers(0, 1),
    "": st.booleans(),
}


@given(st.sampled_from(["strict", "loose", "documents"]), st.sampled_from("curd"), st.data())
def test_a_row_that_lacks_columns_or_has_others_has_an_outcome(source: str, op: str, data: st.DataObject) -> None:
    names = data.draw(st.sets(st.sampled_from(sorted(usual.keys() - {"at", "price"}))))
    row = {name: data.draw(usual[name] | st.none() | values) for name in sorted(names)}
    row |= {name: data.draw(usual[name]) for name in ("at", "price") if data.draw(st.integers(0, 5))}
    row |= {"_id" if source == "documents" else "id": 1}
    if source == "documents":
        row["at"] = {"$date": SOURCE["ts_ms"]}
        row |= {name: DOCUMENTS[row[name]] for name in row if isinstance(row[name], str) and row[name] in DOCUMENTS}
    state = json.dumps(row) if source == "documents" else row
    envelope = {"op": op, "source": SOURCE, "before": state, "after": state}
    outcome = judge(("changing", source), b'{"id":"1"}', written(envelope))
    unknown = {"strict": {"other", "", "total"}, "documents": {"other", ""}, "loose": set()}[source]
    if op != "d" and any(row.get(name) is not None for name in unknown):
        assert isinstance(outcome, Dead)


numerals = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


@given(st.sampled_from(["store", "webshop"]), st.data())
def test_any_writing_of_a_number_has_an_outcome(source: str, data: st.DataObject) -> None:
    row = {name: json.dumps(value) for name, value in ROWS[source].items()}
    for column in data.draw(st.lists(st.sampled_from(sorted(row)), min_size=1, max_size=3)):
        numeral = data.draw(numerals)
        row[column] = data.draw(st.sampled_from([numeral, f'"{numeral}"']))
    after = ",".join(f'"{name}":{value}' for name, value in row.items())
    value = f'{{"op":"u","before":null,"after":{{{after}}},"source":{json.dumps(SOURCE)}}}'
    judge(("orders", source), KEYS[source], value.encode())


description = st.fixed_dictionaries(
    {},
    optional={
        "updatedFields": values | st.dictionaries(st.sampled_from(["a", "a.b", "lines.count"]), values).map(json.dumps),
        "removedFields": st.lists(texts, max_size=2) | values,
        "truncatedArrays": st.lists(st.fixed_dictionaries({"field": texts, "size": numbers}), max_size=2) | values,
    },
)


@given(description)
def test_any_description_of_an_update_has_an_outcome(update: dict[str, Any]) -> None:
    envelope = {"op": "u", "source": SOURCE, "before": of("marketplace", ROWS["marketplace"]), "after": None}
    judge(("orders", "marketplace"), KEYS["marketplace"], written(envelope | {"updateDescription": update}))
