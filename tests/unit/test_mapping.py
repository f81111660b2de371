"""What becomes of a raw record: a row, a dead letter, or nothing."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from contracts import CHANGING, FOUR, contract, one_column, orders
from raw import COMMITTED, KEYS, ROWS, SOURCE, STORE, change, of
from syrupy.assertion import SnapshotAssertion

from dropless.union.mapping import Dead, Mapper, Row, compile_mapping, fields
from dropless.union.shortcut import shortcut

SOURCES = ("store", "webshop", "marketplace")


def mapped(outcome: Row | Dead | None) -> dict[str, Any]:
    assert isinstance(outcome, Row), outcome
    row: dict[str, Any] = orjson.loads(outcome.value)
    assert outcome.key.decode() == row["_key"]
    return row


def dead(outcome: Row | Dead | None) -> Dead:
    assert isinstance(outcome, Dead), outcome
    assert outcome.reason.endswith(".")
    assert "\n" not in outcome.reason
    return outcome


def mapper(source: str) -> Mapper:
    return compile_mapping(orders(), source)


@pytest.mark.parametrize("source", SOURCES)
def test_a_row_of_every_source_becomes_a_unified_row(source: str, snapshot: SnapshotAssertion) -> None:
    outcome = mapper(source)(KEYS[source], change(of(source, ROWS[source])), 2, 41)
    assert mapped(outcome) == snapshot


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_the_row_after_the_change_counts(op: str) -> None:
    before = STORE | {"state": "N"}
    row = mapped(mapper("store")(KEYS["store"], change(STORE, op, before), 0, 0))
    assert (row["_op"], row["_deleted"], row["status"]) == (op, False, "paid")


@pytest.mark.parametrize("source", SOURCES)
def test_a_deletion_keeps_the_values_that_were_deleted(source: str) -> None:
    row = mapped(mapper(source)(KEYS[source], change(None, "d", of(source, ROWS[source])), 0, 9))
    whole = mapped(mapper(source)(KEYS[source], change(of(source, ROWS[source])), 0, 9))
    assert row == whole | {"_op": "d", "_deleted": True}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("before", [None, {}, "[", "NaN", [], 7])
def test_a_deletion_is_never_held_up_by_its_values(source: str, before: object) -> None:
    row = mapped(mapper(source)(KEYS[source], change(None, "d", before), 0, 9))
    assert row["_deleted"]
    assert row["placed_at_us"] == row["_committed_at_us"] == COMMITTED
    assert row["order_id"] is None


def test_a_deletion_drops_only_the_values_that_cannot_be_converted() -> None:
    before = STORE | {"state": "?", "created": 2**63 - 1}
    row = mapped(mapper("store")(KEYS["store"], change(None, "d", before), 0, 9))
    assert (row["status"], row["amount"], row["placed_at_us"]) == (None, "1234.56", COMMITTED)


def test_a_tombstone_is_skipped() -> None:
    assert mapper("store")(KEYS["store"], None, 0, 1) is None


def test_a_truncation_is_a_dead_letter() -> None:
    letter = dead(mapper("store")(None, change(None, "t"), 0, 1))
    assert letter.reason.startswith("truncate")
    assert letter.column is None


def test_a_changed_key_is_the_deletion_of_one_and_the_creation_of_another() -> None:
    to_row = mapper("store")
    gone = mapped(to_row(b'{"id":1}', change(None, "d", STORE | {"id": 1}), 0, 5))
    come = mapped(to_row(b'{"id":2}', change(STORE | {"id": 2}), 1, 3))
    assert (gone["_key"], gone["_deleted"]) == ("store:1", True)
    assert (come["_key"], come["_deleted"]) == ("store:2", False)


def test_positions_grow_with_the_offset_and_more_with_the_epoch() -> None:
    attributes = json.loads(json.dumps(FOUR))
    attributes["sources"][1]["epoch"] = 3
    to_row = compile_mapping(contract(attributes), "south")
    row = mapped(to_row(b'{"id":1}', change({"id": 1, "n": None, "at": 0}), 4, 17))
    assert (row["_topic"], row["_partition"], row["_offset"]) == ("raw.stock.south", 4, 17)
    assert row["_position"] == 3 * 2**48 + 17


@pytest.mark.parametrize(
    ("source", "key", "unified"),
    [
        ("store", b'{"id":12345}', "store:12345"),
        ("store", b'{"id":"a,b\\\\c"}', "store:a\\,b\\\\c"),
        ("store", b'{"id":true}', "store:true"),
        ("store", b'{"id":1.5}', "store:1.5"),
        ("webshop", b'{"order_no":1,"shop_code":"x,y"}', "webshop:x\\,y,1"),
        ("marketplace", b'{"id":"{\\"$oid\\": \\"65f0\\"}"}', "marketplace:65f0"),
        ("marketplace", b'{"id":"42"}', "marketplace:42"),
        ("marketplace", b'{"id":"\\"text\\""}', "marketplace:text"),
        ("marketplace", b'{"id":"{\\"b\\": 1, \\"a\\": \\"x\\"}"}', 'marketplace:{"a":"x"\\,"b":1}'),
        ("marketplace", b'{"id":"{\\"$date\\": 0}"}', "marketplace:1970-01-01T00:00:00Z"),
    ],
)
def test_a_key_is_the_source_and_the_parts_of_the_primary_key(source: str, key: bytes, unified: str) -> None:
    assert mapped(mapper(source)(key, change(of(source, ROWS[source])), 0, 0))["_key"] == unified


@pytest.mark.parametrize(
    ("source", "key", "reason"),
    [
        ("store", None, "The record has no key"),
        ("store", b"", "The key is not valid JSON"),
        ("store", b"[1]", "The key is not an object"),
        ("store", b'{"no":1}', "The key lacks 'id'"),
        ("store", b'{"id":null}', "The key has a part that is null"),
        ("store", b'{"id":"a\\u0000"}', "The key holds a NUL"),
        ("webshop", b'{"shop_code":"x"}', "The key lacks 'order_no'"),
        ("marketplace", b'{"id":5}', "The key has an id that is not text"),
        ("marketplace", b'{"id":"{"}', "The key is not valid JSON"),
        ("marketplace", b'{"id":"{\\"$numberLong\\": \\"x\\"}"}', "The key is a broken $numberLong"),
    ],
)
def test_a_record_without_a_usable_key_is_a_dead_letter(source: str, key: bytes | None, reason: str) -> None:
    letter = dead(mapper(source)(key, change(of(source, ROWS[source])), 0, 0))
    assert letter.reason.startswith(reason)
    assert letter.column is None


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("store", b"", "The value is not valid JSON"),
        ("store", b"\xff", "The value is not valid JSON"),
        ("store", b'{"op":"c","after":{"a":NaN}}', "The value is not valid JSON"),
        ("store", b'{"op":"c","after":{"a":"\\ud800"}}', "The value is not valid JSON"),
        ("store", b"[" * 100_000, "The value is not valid JSON"),
        ("store", b'"text"', "The value is not a change event: it has no `op`."),
        ("store", b"{}", "The value is not a change event: it has no `op`."),
        ("store", b'{"op":1}', "The value is not a change event: it has no `op`."),
        ("store", change(STORE, "m"), "The change's `op` is 'm'; it must be"),
        ("store", change(None), "The change has no `after`"),
        ("store", change("{}"), "The change's row is not an object."),
        ("store", change(STORE, source=None), "The change has no commit time"),
        ("store", change(STORE, source={"ts_us": True}), "The change has no commit time"),
        ("store", change(STORE, source={"ts_us": 2**62}), "The change's `source.ts_us` is not a time"),
        ("marketplace", change(None, "u"), "The update has no `after`: switch the collection's pre- and post"),
        ("marketplace", change({}), "The change's document is not text."),
        ("marketplace", change("{"), "The change's document is not valid JSON."),
        ("marketplace", change('{"a": Infinity}'), "The change's document is not valid JSON; NaN and Infinity"),
        ("marketplace", change("[]"), "The change's document is not an object."),
    ],
)
def test_what_is_not_a_change_event_is_a_dead_letter(source: str, value: bytes, reason: str) -> None:
    assert dead(mapper(source)(KEYS[source], value, 0, 0)).reason.startswith(reason)


def test_an_update_without_a_post_image_is_made_from_its_description() -> None:
    description = {
        "updatedFields": json.dumps({"status": "shipped", "total.value": {"$numberDecimal": "7.00"}}),
        "removedFields": ["points", "details.z"],
        "truncatedArrays": [{"field": "details.a", "size": 1}],
    }
    value = change(None, "u", of("marketplace", ROWS["marketplace"]), updateDescription=description)
    row = mapped(mapper("marketplace")(KEYS["marketplace"], value, 0, 0))
    assert (row["status"], row["amount"], row["loyalty_points"]) == ("shipped", "7.00", None)
    assert row["details"] == '{"a":["1970-01-01T00:00:00Z"]}'


def test_an_update_whose_description_does_not_fit_is_a_dead_letter() -> None:
    value = change(None, "u", '{"a": 1}', updateDescription={"updatedFields": '{"a.b": 1}'})
    letter = dead(mapper("marketplace")(KEYS["marketplace"], value, 0, 0))
    assert letter.reason == "The update has no `after`, and its description does not fit its `before`."


def test_the_commit_time_may_come_in_milliseconds_only() -> None:
    value = change(STORE, source={key: value for key, value in SOURCE.items() if key != "ts_us"})
    assert mapped(mapper("store")(KEYS["store"], value, 0, 0))["_committed_at_us"] == COMMITTED // 1000 * 1000


@pytest.mark.parametrize(
    ("field", "value", "column", "reason"),
    [
        ("state", "Z", "status", """Column 'status' cannot take "Z": it is none of N, P, S, D, X."""),
        ("total_cents", "x" * 99, "amount", f"""Column 'amount' cannot take "{"x" * 39}...: it is not a number."""),
        ("total_cents", "NAN", "amount", """Column 'amount' cannot take "NAN": it is not a finite number."""),
        (
            "total_cents",
            "NEGATIVE_INFINITY",
            "amount",
            """Column 'amount' cannot take "NEGATIVE_INFINITY": it is not a f""",
        ),
        ("total_cents", True, "amount", "Column 'amount' cannot take true: it is not a number."),
        ("pieces", 2**31, "item_count", "Column 'item_count' cannot take 2147483648: it does not fit into a 32-bit"),
        (
            "customer_no",
            [5],
            "customer_id",
            "Column 'customer_id' cannot take its value (personal, not shown): it is a",
        ),
        ("created", None, "placed_at", "Column 'placed_at' needs `created`, which is null or missing."),
        ("id", ..., "order_id", "Column 'order_id' needs `id`, which the source's row does not have; was it dropped"),
        ("notes", ..., "details", "Column 'details' needs `notes`, which the source's row does not have; was it"),
        ("notes", "{", "details", """Column 'details' cannot take "{": it is not valid JSON."""),
        ("notes", "__debezium_unavailable_value", "details", "Column 'details' cannot take"),
    ],
)
def test_a_dead_letter_names_the_column_and_what_is_wrong(field: str, value: Any, column: str, reason: str) -> None:
    row = {key: each for key, each in (STORE | {field: value}).items() if each is not ...}
    letter = dead(mapper("store")(KEYS["store"], change(row), 0, 0))
    assert letter.column == column
    assert letter.reason.startswith(reason)


def test_a_dead_letter_never_tells_a_personal_value() -> None:
    column = {"type": "int", "pii": True}
    for expression in ("v", {"from": "v", "values": {1: 2}}, "v.inner"):
        for value in ("secret", ["secret"], {"inner": "secret"}, '"secret"'):
            to_row = compile_mapping(one_column(column, expression), "shop")
            assert "secret" not in dead(to_row(b'{"id":1}', change({"v": value}), 0, 0)).reason


def test_a_column_without_a_source_is_null() -> None:
    row = mapped(compile_mapping(one_column({"type": "int"}, None), "shop")(b'{"id":1}', change({}), 0, 0))
    assert row["x"] is None


def test_an_unchanged_large_value_that_was_not_sent_never_becomes_a_row() -> None:
    for column in ("notes", "currency", "state"):
        row = STORE | {column: "__debezium_unavailable_value"}
        dead(mapper("store")(KEYS["store"], change(row), 0, 0))


def changing(source: str, row: dict[str, Any], **more: Any) -> Row | Dead | None:
    return compile_mapping(contract(CHANGING), source)(b'{"id":1}', change(row, **more), 0, 5)


STRICT = {"id": 1, "n": 3, "price": 150, "address": '{"city": "x"}', "at": COMMITTED}


class TestSourcesThatChange:
    @pytest.mark.parametrize(
        ("row", "pieces"),
        [
            ({"n": 3}, 3),
            ({"count": 4}, 4),
            ({"n": 3, "count": 4}, 3),
            ({"n": None, "count": 4}, None),
        ],
    )
    def test_the_first_column_that_a_row_has_counts_even_if_it_is_null(self, row: dict[str, Any], pieces: Any) -> None:
        without = {name: value for name, value in STRICT.items() if name != "n"}
        outcome = changing("strict", without | row)
        assert isinstance(outcome, Row)
        assert orjson.loads(outcome.value)["pieces"] == pieces

    def test_a_row_that_has_none_of_the_columns_is_dead_unless_it_may_lack_them(self) -> None:
        without = {name: value for name, value in STRICT.items() if name != "n"}
        dead = changing("strict", without)
        assert isinstance(dead, Dead)
        assert dead.reason.startswith("Column 'pieces' needs `n` or `count`, which the source's row does not have")
        row = changing("loose", without | {"note": None})
        assert isinstance(row, Row)
        assert orjson.loads(row.value)["pieces"] is None

    @pytest.mark.parametrize(
        ("row", "place"),
        [
            ({"address": '{"city": "x"}', "location": '{"city": "y"}'}, "x"),
            ({"address": '{"city": null}', "location": '{"city": "y"}'}, None),
            ({"address": "{}", "location": '{"city": "y"}'}, "y"),
            ({"address": None, "location": '{"city": "y"}'}, "y"),
            ({"address": "{}"}, None),
        ],
    )
    def test_so_does_the_first_field_inside_of_columns(self, row: dict[str, Any], place: Any) -> None:
        without = {name: value for name, value in STRICT.items() if name != "address"}
        outcome = changing("strict", without | row)
        assert isinstance(outcome, Row)
        assert orjson.loads(outcome.value)["place"] == place

    def test_a_value_in_an_unknown_column_is_quarantined(self) -> None:
        for unknown in ({"x": 0}, {"x": False}, {"x": ""}, {"x": [], "y": 1}):
            dead = changing("strict", STRICT | unknown)
            assert isinstance(dead, Dead)
            assert dead.reason.startswith("The row has `x`")
        assert isinstance(changing("loose", STRICT | {"note": None, "x": 0}), Row)

    def test_an_unknown_column_without_a_value_a_known_one_and_a_deletion_are_not(self) -> None:
        for row in (STRICT | {"x": None}, STRICT | {"junk": {"a": [1]}, "note": "n"}):
            assert isinstance(changing("strict", row), Row)
        deletion = compile_mapping(contract(CHANGING), "strict")(
            b'{"id":1}', change(None, "d", STRICT | {"x": 1}), 0, 5
        )
        assert isinstance(deletion, Row)

    @pytest.mark.parametrize(
        ("source", "row"),
        [
            ("strict", STRICT | {"note": "n", "junk": {"a": [1, 2**70]}}),
            ("strict", {"id": 1, "count": 3, "price": "1.50", "location": '{"city": "y"}', "at": COMMITTED}),
            ("loose", {"id": 1, "total": 150, "junk": "a", "x": {"y": 1}, "at": COMMITTED}),
        ],
    )
    def test_none_of_it_leaves_the_short_way(self, source: str, row: dict[str, Any]) -> None:
        table = contract(CHANGING)

        def plain(*_: object) -> Row:
            raise AssertionError("the plain mapping was asked")

        mapper = shortcut(plain, table, table.source(source), fields(table), 0)
        assert isinstance(mapper(b'{"id":1}', change(row), 0, 5), Row)
