"""What a contract may say. What is said to a person when it says something else: test_contract_mistakes.py."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from contracts import COMPONENT, FOUR, ORDERS_FILE, SENSORS, contract, orders
from hypothesis import given
from hypothesis import strategies as st

from dropless.contract import (
    Column,
    ColumnType,
    Contract,
    Expression,
    Freshness,
    Kind,
    Lake,
    MongodbCollection,
    PostgresqlTable,
    Source,
    load_contracts,
    parse_contract,
)
from dropless.contract.identifiers import join, split
from dropless.contract.problems import Problem
from dropless.errors import ContractError
from dropless.settings import PROJECT


def test_the_example_is_a_contract_of_three_sources() -> None:
    found = orders()
    assert [source.name for source in found.sources] == ["store", "webshop", "marketplace"]
    assert found.column("amount").type == ColumnType(Kind.DECIMAL, 18, 2)
    assert found.column("customer_id").pii
    assert found.source("webshop").key == ("shop_code", "order_no")
    assert found.source("marketplace").key == ("_id",)


def test_every_source_of_the_example_fills_every_column() -> None:
    found = orders()
    names = {column.name for column in found.columns}
    assert all(set(source.columns) == names for source in found.sources)


def test_a_contract_can_have_one_source_or_four() -> None:
    assert len(contract(SENSORS).sources) == 1
    assert len(contract(FOUR).sources) == 4


def test_limits_have_defaults() -> None:
    found = contract({key: value for key, value in SENSORS.items() if key != "partitions"})
    assert (found.partitions, found.freshness.warn, found.freshness.fail) == (3, 60, 300)
    assert (found.lake.commit_seconds, found.lake.commit_bytes) == (5, 64 * 1024 * 1024)


def test_a_contract_never_changes() -> None:
    found = contract(SENSORS)
    with pytest.raises(Exception, match="frozen"):
        found.name = "other"  # type: ignore[misc]


def test_the_documented_example_is_a_contract(tmp_path: Path) -> None:
    text = (PROJECT / "docs" / "contract.md").read_text()
    (tmp_path / "defs.yaml").write_text(text.partition("```yaml\n")[2].partition("```")[0])
    assert [source.name for source in parse_contract(tmp_path / "defs.yaml").sources] == ["store", "marketplace"]


def test_the_documentation_names_every_attribute_and_operation() -> None:
    text = (PROJECT / "docs" / "contract.md").read_text()
    for model in (Contract, Column, Source, Freshness, Lake, PostgresqlTable, MongodbCollection, Expression):
        for name, field in model.model_fields.items():
            assert re.search(rf"[`{{ ]{field.alias or name}[`:,}} ]", text), name


def test_the_file_and_its_attributes_give_the_same_contract() -> None:
    attributes = yaml.safe_load(ORDERS_FILE.read_text())["attributes"]
    assert Contract.from_attributes(attributes) == orders()


@pytest.mark.parametrize(
    ("text", "type_"),
    [(kind.value, ColumnType(kind)) for kind in Kind if kind is not Kind.DECIMAL]
    + [("decimal(38, 0)", ColumnType(Kind.DECIMAL, 38, 0)), ("decimal(2,2)", ColumnType(Kind.DECIMAL, 2, 2))],
)
def test_a_type_is_written_as_it_is_read(text: str, type_: ColumnType) -> None:
    assert ColumnType.parse(text) == type_
    assert ColumnType.parse(str(type_)) == type_


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1), min_size=1))
def test_any_identifiers_survive_being_joined_by_dots(parts: list[str]) -> None:
    if any("${" in part for part in parts):
        return
    assert split(join(tuple(parts))) == tuple(parts)


def test_two_things_of_one_name_are_found_across_contracts(tmp_path: Path) -> None:
    write(tmp_path / "a", SENSORS)
    write(tmp_path / "b", SENSORS)
    with pytest.raises(ContractError, match=r"table 'readings' is declared in both .*a/defs.yaml and .*b/defs.yaml"):
        load_contracts(tmp_path)
    write(tmp_path / "b", SENSORS | {"name": "readings_changes"})
    with pytest.raises(ContractError, match="'readings_changes' is declared in both"):
        load_contracts(tmp_path)
    first, second = copy.deepcopy(SENSORS), copy.deepcopy(SENSORS)
    first["name"], first["sources"][0]["name"] = "a_b", "c"
    second["name"], second["sources"][0]["name"] = "a", "b_c"
    write(tmp_path / "a", first)
    write(tmp_path / "b", second)
    with pytest.raises(ContractError, match="both make the replication slot 'dropless_a_b_c'"):
        load_contracts(tmp_path)


def test_other_components_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "a", SENSORS)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "defs.yaml").write_text("type: dagster.PythonScriptComponent\nattributes: {x: 1}\n")
    assert [found.name for found in load_contracts(tmp_path)] == ["readings"]


def test_contracts_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path / "1", FOUR)
    write(tmp_path / "2", SENSORS)
    assert [found.name for found in load_contracts(tmp_path)] == ["readings", "stock"]


def test_a_missing_folder_is_told() -> None:
    with pytest.raises(ContractError, match="is not a folder"):
        load_contracts(Path("/nowhere"))


def test_values_may_be_looked_up_by_numbers_and_booleans() -> None:
    attributes = copy.deepcopy(SENSORS)
    attributes["columns"].append({"name": "state", "type": "string"})
    attributes["sources"][0]["columns"]["state"] = {"from": "s", "values": {7: "seven", True: "yes", "x": "else"}}
    assert contract(attributes).source("plant").columns["state"].values == {"7": "seven", "true": "yes", "x": "else"}


@pytest.mark.parametrize(
    ("type_", "constant", "fits"),
    [
        ("string", "x", True),
        ("string", 5, False),
        ("string", "a\0b", False),
        ("int", 2**31 - 1, True),
        ("int", 2**31, False),
        ("int", True, False),
        ("long", 2**63 - 1, True),
        ("long", 2**63, False),
        ("double", 1.5, True),
        ("double", float("inf"), False),
        ("double", float("nan"), False),
        ("decimal(4,2)", "99.99", True),
        ("decimal(4,2)", 1.5, True),
        ("decimal(4,2)", "100", False),
        ("decimal(4,2)", "0.001", False),
        ("decimal(4,2)", "NaN", False),
        ("boolean", False, True),
        ("boolean", 0, False),
        ("date", "2026-02-28", True),
        ("date", "2026-02-29", False),
        ("timestamp", "2026-02-28T12:00:00+01:00", True),
        ("timestamp", "2026-02-28T12:00:00", False),
        ("json", "{}", False),
    ],
)
def test_a_literal_must_fit_the_column(type_: str, constant: object, fits: bool) -> None:  # noqa: FBT001
    attributes = copy.deepcopy(SENSORS)
    attributes["columns"].append({"name": "extra", "type": type_})
    attributes["sources"][0]["columns"]["extra"] = {"constant": constant}
    if fits:
        contract(attributes)
    else:
        with pytest.raises(ContractError, match="column 'extra', `constant`"):
            contract(attributes)


def test_a_problem_is_a_sentence_without_its_place() -> None:
    assert str(Problem("is wrong", ("a",))) == "is wrong"


def write(folder: Path, attributes: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "defs.yaml").write_text(yaml.safe_dump({"type": COMPONENT, "attributes": attributes}))
