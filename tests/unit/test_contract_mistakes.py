"""What is said to a person about a contract that says what it may not: one sentence, with file and line."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from contracts import COMPONENT, FOUR, ORDERS_FILE, SENSORS, contract
from hypothesis import given
from hypothesis import strategies as st

from dropless.contract import (
    Contract,
    load_contracts,
    parse_contract,
)
from dropless.errors import ContractError

EDITS: list[tuple[str, str, str]] = [
    # what to replace in the example, by what, and the sentence after `file:line: `
    ("name: orders\n", "name: Orders\n", "4: `name` is 'Orders'; a name is a lower-case letter, then"),
    ("name: orders\n", "name: heartbeat\n", "4: `name` is 'heartbeat', which is reserved: it would be mistaken"),
    ("name: orders\n", "name: signals\n", "4: `name` is 'signals', which is reserved: it would be mistaken"),
    ("name: orders\n", f"name: {'o' * 41}\n", "4: `name` has 41 characters; a name has at most 40."),
    (
        "owner: team:commerce",
        "owner: commerce",
        "6: `owner` is 'commerce'; it must be an e-mail address or team:<name>.",
    ),
    ("owner:", "ower:", "6: The contract has no `ower` (did you mean 'owner'?); it has name, description, owner,"),
    (
        "type: boolean,",
        "type: bool,",
        "17: Column 'gift', `type` is 'bool', which is not a type (did you mean 'boolean'?); the",
    ),
    ("decimal(18,2)", "decimal(39,2)", "11: Column 'amount', `type` has 39 digits; a decimal holds 1 to 38."),
    ("decimal(18,2)", "decimal(2,3)", "11: Column 'amount', `type` has 3 digits after the point but only 2 in all."),
    ('"decimal(18,2)"', "decimal", "11: Column 'amount', `type` is 'decimal'; a decimal needs its precision and scale"),
    (
        "name: gift, type",
        "name: _gift, type",
        "17: Column '_gift', `name` is '_gift'; names with a leading underscore are",
    ),
    ("name: gift, type", "name: updated_at_us, type", "17: Column 'updated_at_us' has a reserved name: the timestamp"),
    ("name: gift, type", "name: promised_on, type", "18: Column 'promised_on' is declared twice; a column has one"),
    ("name: gift, type", "nam: gift, type", "17: Column number 9 needs `name`."),
    (
        "type: boolean,",
        "type: boolean, allowed: [yes_],",
        "17: Column 'gift', `allowed` lists allowed values for the type",
    ),
    ("allowed: [placed,", "allowed: [paid,", "13: Column 'status', `allowed` names 'paid' twice."),
    (
        "time_column: placed_at",
        "time_column: placed",
        "23: `time_column` is 'placed', which is not a column (did you mean",
    ),
    (
        "time_column: placed_at",
        "time_column: status",
        "23: `time_column` is 'status', a string; it must be a timestamp",
    ),
    (
        "time_column: placed_at",
        "time_column: updated_at",
        "23: `time_column` is 'updated_at', which may be null; declare",
    ),
    ("{warn: 60, fail: 300}", "{warn: 600, fail: 300}", "24: `freshness` warns after 600 seconds but fails after 300;"),
    ("{warn: 60, fail: 300}", "{warn: soon}", "24: `freshness`, `warn` is 'soon'; it must be a valid integer."),
    ("- name: webshop\n", "- name: store\n", "44: Source 'store' is declared twice; each source needs a name of its"),
    (
        "table: shop.orders",
        "table: orders",
        "45: Source 'webshop', `postgresql`, `table` is 'orders'; it must be schema",
    ),
    (
        "table: shop.orders",
        '"table": "shop.\\x01"',
        "45: Source 'webshop', `postgresql`, `table` is 'shop.\\x01'; it must",
    ),
    (
        "table: shop.orders",
        '"table": "${file:x}.t"',
        "45: Source 'webshop', `postgresql`, `table` is '${file:x}.t'; it",
    ),
    ("table: shop.orders", "table: dropless.orders", "45: Source 'webshop', `postgresql`, `table` is in the schema"),
    ("key: [shop_code, order_no]", "key: []", "45: Source 'webshop', `postgresql`, `key` is []; it must be"),
    ("key: [shop_code, order_no]", "key: [a, a]", "45: Source 'webshop', `postgresql`, `key` names 'a' twice."),
    ("      mongodb: {database: marketplace, collection: orders}\n", "", "61: Source 'marketplace' must have either"),
    (
        "collection: orders}",
        "collection: orders, key: [id]}",
        "62: Source 'marketplace', `mongodb`, `key` must be [_id]",
    ),
    (
        "database: webshop, table: shop.",
        "database: store, table: public.",
        "44: Source 'webshop' reads the same table as",
    ),
    ("item_count: pieces", "items: pieces", "35: Source 'store', column 'items' is not a column of 'orders'"),
    ("        order_id: id\n", "", "29: Source 'store', `columns` does not say where column 'order_id' comes"),
    (
        "divide: 100}",
        "divide: 0}",
        "32: Source 'store', column 'amount', `divide` is 0; it must be greater than or equal",
    ),
    (
        "divide: 100}",
        "divid: 100}",
        "32: Source 'store', column 'amount' has no `divid` (did you mean 'divide'?); it has",
    ),
    (
        "gift: is_gift",
        "gift: {from: is_gift, divide: 2}",
        "38: Source 'store', column 'gift', `divide` works on numbers,",
    ),
    ("gift: is_gift", "gift: {from: is_gift, timezone: UTC}", "38: Source 'store', column 'gift', `timezone` works on"),
    (
        "gift: is_gift",
        "gift: 5",
        "38: Source 'store', column 'gift' is 5; it must be a source column's name or an object",
    ),
    (
        "gift: is_gift",
        "gift: {constant: 1}",
        "38: Source 'store', column 'gift', `constant` is 1, which is not true or",
    ),
    ("gift: is_gift", "gift: {}", "38: Source 'store', column 'gift' needs `from`, the source's column, or `constant`"),
    ("gift: is_gift", "gift: {from: a, constant: true}", "38: Source 'store', column 'gift' has both `from` and"),
    ("gift: is_gift", "gift: {constant: true, default: true}", "38: Source 'store', column 'gift', `default`"),
    (
        "gift: is_gift",
        "gift: {from: a, values: {1: true}, divide: 2}",
        "38: Source 'store', column 'gift', `divide` has",
    ),
    ("gift: is_gift", "gift: {from: a, values: {}}", "38: Source 'store', column 'gift', `values` is {}; it must map"),
    (
        "gift: is_gift",
        "gift: {from: a, values: {1: true, '1': false}}",
        "38: Source 'store', column 'gift', `values` has the",
    ),
    ("gift: is_gift", "gift: {from: a..b}", "38: Source 'store', column 'gift', `from` is 'a..b'; it must be names"),
    ("gift: is_gift", "gift: {from: a, default: }", "38: Source 'store', column 'gift', `default` is empty; leave it"),
    (
        "P: paid",
        "P: payed",
        "34: Source 'store', column 'status', `values` gives 'payed', which is not allowed (did you mean",
    ),
    ("timezone: Europe/Berlin", "timezone: Europe/Bern", "41: Source 'store', column 'placed_at', `timezone` is"),
    ("timezone: Europe/Berlin", "timezone: ../UTC", "41: Source 'store', column 'placed_at', `timezone` is '../UTC'"),
    ("type: pipeline", "typ: pipeline", "1: The file must have `type: pipeline_assets.components.UnifiedTable` and"),
    (COMPONENT, "pipeline_assets.components.UnifedTable", "1: `type` is 'pipeline_assets.components.UnifedTable'; did"),
    ("attributes:\n", "attribute:\n", "3: `attribute` does not belong here (did you mean 'attributes'?); a contract"),
    # Sources that change
    ("gift: is_gift", "gift: {from: [is_gift]}", "38: Source 'store', column 'gift', `from` is ['is_gift']; a list"),
    ("gift: is_gift", "gift: {from: [a, b.c]}", "38: Source 'store', column 'gift', `from` mixes columns with fields"),
    ("gift: is_gift", "gift: {from: [a, 7]}", "38: Source 'store', column 'gift', `from` is ['a', 7]; it must be"),
    (
        "gift: is_gift",
        "gift: {from: a, optional: true, default: false}",
        "38: Source 'store', column 'gift', `optional` is not needed beside `default`",
    ),
    (
        "placed_at: {from: created, ",
        "placed_at: {from: created, optional: true, ",
        "41: Source 'store', column 'placed_at', `optional` would leave 'placed_at' null, which must not be null",
    ),
    (
        "gift: gift\n",
        "gift: {from: gift, optional: true}\n",
        "72: Source 'marketplace', column 'gift', `optional` is for tables",
    ),
    (
        "time_column: placed_at",
        "schema_policy: evolv\n  time_column: placed_at",
        "23: `schema_policy` is 'evolv' (did you mean 'evolve'?); it must be one of evolve, freeze, quarantine.",
    ),
    (
        "    - name: store\n",
        "    - name: store\n      ignore: [state]\n",
        "28: Source 'store', `ignore` lists 'state', which is read.",
    ),
    (
        "    - name: store\n",
        "    - name: store\n      schema_policy: quarantine\n      ignore: ['*']\n",
        "29: Source 'store', `ignore` ignores every other column",
    ),
    # YAML itself
    ("name: orders\n", "name: orders\n  name: orders\n", "5: The key 'name' is there twice; remove one."),
    ("name: orders\n", "name: &x orders\n", "4: Anchors and aliases (& and *) are not allowed; write the value out."),
    (
        "name: orders\n",
        "name: !!python/object:os.system orders\n",
        "4: The tag 'tag:yaml.org,2002:python/object:os.system'",
    ),
    ("  name: orders\n", "\tname: orders\n", "4: The line is indented with a tab; YAML wants spaces."),
    ("name: orders\n", "name: [orders\n", "5: This is not YAML: "),
    ("gift: is_gift", "gift: {constant: no}", "38: 'no' means different things to different YAML readers; put it in"),
    ("divide: 100}", "divide: 0x64}", "32: '0x64' means different things to different YAML readers; put it in quotes."),
    (
        "name: orders\n",
        'name: "{{ env.NAME }}"\n',
        "4: Templates ({{ ... }}) are not allowed; write the value out.",
    ),
    (
        "time_column: placed_at",
        "time_column: placed_at\n---\nx: 1",
        "24: A second document starts here; there must be",
    ),
    ("name: orders\n", f"name: {'[' * 30}{']' * 30}\n", "4: The YAML is nested more than 20 levels deep."),
    ("name: orders\n", "? [a]\n  : b\n", "4: A key must be a single text, not a list or an object."),
]


@pytest.mark.parametrize(("old", "new", "sentence"), EDITS, ids=[f"{new!r:.60}" for _, new, _ in EDITS])
def test_a_mistake_is_one_sentence_with_file_and_line(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    text = ORDERS_FILE.read_text()
    assert old in text
    file = tmp_path / "defs.yaml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ContractError) as caught:
        load_contracts(tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{file}:{sentence}")
    assert "\n" not in said
    assert said.endswith((".", "?"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "1: The file must have"),
        (b"- 1\n", "1: The file must have"),
        (b"\nname: \xff\n", "2: The file is not UTF-8 text."),
        (b"a: 1\nb: \x01\n", "2: The file holds a character that YAML does not allow."),
        (b"[" * 100_000, "1: The YAML is nested more than 20 levels deep."),
        (b"# " + b"x" * 1_000_000, "1: The file has 1000002 bytes; a contract has at most 1000000."),
        (f"type: {COMPONENT}\n".encode(), "1: `attributes` must be an object that describes a unified table."),
    ],
)
def test_what_is_not_a_contract_at_all_is_told_too(tmp_path: Path, data: bytes, sentence: str) -> None:
    file = tmp_path / "defs.yaml"
    file.write_bytes(data)
    with pytest.raises(ContractError) as caught:
        parse_contract(file)
    assert str(caught.value).startswith(f"{file}:{sentence}")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_contract_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(data)
    with pytest.raises(ContractError):
        parse_contract(file)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


def test_a_key_that_would_break_the_line_is_shown_escaped() -> None:
    attributes = copy.deepcopy(FOUR)
    for value, told in ((None, "is empty"), (False, "; it has")):
        attributes["sources"][2]["columns"]["item"] = {"\n": value}
        with pytest.raises(ContractError, match=rf"`\\n`{told}|`\\n` {told}"):
            Contract.from_attributes(attributes)


@given(st.data())
def test_any_value_in_any_place_is_accepted_or_told_in_one_sentence(data: st.DataObject) -> None:
    attributes = copy.deepcopy(FOUR)
    *parents, last = data.draw(st.sampled_from(places(attributes)[1:]))
    here: Any = attributes
    for step in parents:
        here = here[step]
    here[last] = data.draw(json_values)
    try:
        Contract.from_attributes(attributes)
    except ContractError as error:
        assert "\n" not in str(error).replace("\\n", "")  # noqa: PT017 - both outcomes are fine


def test_a_slot_name_that_postgresql_would_cut_is_refused() -> None:
    attributes = copy.deepcopy(SENSORS)
    attributes["name"], attributes["sources"][0]["name"] = "t" * 30, "s" * 30
    with pytest.raises(ContractError, match="of 70 characters; PostgreSQL allows 63"):
        contract(attributes)
