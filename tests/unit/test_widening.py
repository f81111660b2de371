"""Which changes of a contract its rows can stand, in every system."""

from __future__ import annotations

import copy
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from contracts import CHANGING, FOUR, contract, orders

from dropless import desired
from dropless.contract import ColumnType, Contract
from dropless.contract.widening import widens
from dropless.declared import applied, contract_digest, written
from dropless.desired.schema_registry import broken, unified_schema
from dropless.errors import DroplessError
from dropless.lake import widening as lake
from dropless.lake.schema import arrow_type
from dropless.plan import Plan, plan
from dropless.processes import own_processes
from dropless.settings import Settings, Topology
from resources.pinot_changes import note

TYPES = [
    *("string", "int", "long", "double", "boolean", "timestamp", "date", "json"),
    *("decimal(10,2)", "decimal(12,2)", "decimal(12,4)", "decimal(11,4)", "decimal(38,0)"),
]
WIDER = {
    ("int", "long"),
    ("decimal(10,2)", "decimal(12,2)"),
    ("decimal(10,2)", "decimal(12,4)"),
    ("decimal(11,4)", "decimal(12,4)"),
}


@pytest.mark.parametrize(("before", "after"), list(product(TYPES, TYPES)))
def test_a_type_is_wider_when_it_holds_every_value_exactly(before: str, after: str) -> None:
    was, will = ColumnType.parse(before), ColumnType.parse(after)
    assert widens(was, will) == (before == after or (before, after) in WIDER)
    if before != after:
        assert lake.widens(arrow_type(was), arrow_type(will)) == ((before, after) in WIDER)


def test_only_what_is_wide_enough_is_wider_in_the_lake() -> None:
    assert not lake.widens(pa.int64(), pa.int32())
    assert not lake.widens(pa.int32(), pa.float64())


def changed(**columns: dict[str, Any] | None) -> Contract:
    """The contract of four sources with some columns declared otherwise, new, or gone."""
    attributes = copy.deepcopy(FOUR)
    for name, told in columns.items():
        found = next((each for each in attributes["columns"] if each["name"] == name), None)
        if told is None:
            attributes["columns"].remove(found)
            for source in attributes["sources"]:
                source["columns"].pop(name, None)
        elif found is None:
            attributes["columns"].append({"name": name, **told})
        else:
            found |= told
    # A column that must be filled is filled by every source.
    if columns.get("pieces"):
        attributes["sources"][3]["columns"]["pieces"] = "n"
    return contract(attributes)


@pytest.mark.parametrize(
    ("columns", "reasons"),
    [
        ({}, []),
        ({"note": {"type": "string"}}, []),
        ({"seen": {"type": "timestamp"}}, []),
        ({"item": {"nullable": True}}, []),
        ({"site": {"allowed": ["north", "south", "east", "west", "sky"]}}, []),
        ({"site": {"allowed": None}}, []),
        ({"pieces": {"type": "int"}}, ["column 'pieces' is long and would be int, which does not hold every value"]),
        ({"pieces": {"type": "double"}}, ["column 'pieces' is long and would be double"]),
        ({"pieces": None}, ["column 'pieces' would go"]),
        ({"item": {"allowed": ["x"]}}, ["column 'item' may hold any value and would allow only x"]),
        ({"pieces": {"nullable": False}}, ["column 'pieces' may be null and would have to be filled"]),
    ],
)
def test_what_would_break_readers_is_told_by_column(columns: dict[str, Any], reasons: list[str]) -> None:
    found = broken(unified_schema(contract(FOUR)), unified_schema(changed(**columns)))
    assert len(found) == len(reasons)
    assert all(each.startswith(reason) for each, reason in zip(found, reasons, strict=True))


def test_a_value_that_is_no_longer_allowed_and_a_moment_that_goes_are_named() -> None:
    before = changed(seen={"type": "timestamp"})
    assert broken(unified_schema(before), unified_schema(contract(FOUR))) == ["column 'seen' would go"]
    fewer = copy.deepcopy(FOUR)
    fewer["columns"][1]["allowed"] = ["north", "south", "east", "west", "sky"]
    assert broken(unified_schema(contract(fewer)), unified_schema(contract(FOUR))) == [
        "column 'site' would no longer allow sky"
    ]


def test_a_schema_of_earlier_days_is_compared_by_what_it_says() -> None:
    old = unified_schema(contract(FOUR))
    for each in old["properties"].values():
        each.pop("$comment", None)
    assert broken(old, unified_schema(contract(FOUR))) == []


def pinot(before: Contract, after: Contract) -> Plan:
    was = {each.id: each for each in desired.pinot_schemas(before)}
    return plan(desired.pinot_schemas(after), was)


def test_the_plan_says_how_pinot_shows_a_new_column_in_old_rows() -> None:
    (change,) = pinot(contract(FOUR), changed(note={"type": "string"}, total={"type": "decimal(9,2)"})).changes
    told = note(change)
    assert told is not None
    assert "note ('null')" in told
    assert "total (0)" in told
    assert "pieces" not in told
    (wider,) = pinot(changed(pieces={"type": "int"}), contract(FOUR)).changes
    assert note(wider) is None
    (new,) = plan(desired.pinot_schemas(orders()), {}).changes
    assert note(new) is None


def test_a_process_reads_the_contract_that_was_applied(tmp_path: Path) -> None:
    strange = copy.deepcopy(CHANGING) | {"description": "${password:minio_root} ü \\u0024{"}
    for table in (orders(), contract(FOUR), contract(strange)):
        path = tmp_path / "contract.json"
        path.write_text(written(table))
        assert applied(path) == table
        assert contract_digest(applied(path)) == contract_digest(table)
        assert "${" not in path.read_text()
    path.write_text("{")
    with pytest.raises(DroplessError, match="cannot be read"):
        applied(path)
    path.unlink()
    with pytest.raises(DroplessError, match="cannot be read"):
        applied(path)


def test_whoever_reads_gets_a_contract_before_who_writes(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, tmp_path, 17000, Topology.COMPACT)
    made = own_processes([contract(FOUR), orders()], settings)
    assert [each.name for each in made] == ["lake-orders", "union-orders-0", "lake-stock", "union-stock-0"]
    assert len({each.port for each in made}) == len({each.contract_file for each in made}) == 4
