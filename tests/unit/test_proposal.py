"""Columns that appeared at a source, proposed and written into the declaration."""

from __future__ import annotations

from pathlib import Path

import pytest

from dropless.contract import ColumnType, Kind, parse_contract
from dropless.contract.proposal import Proposal, of_sql, propose, write
from dropless.errors import ContractError

BLOCK = """# Kept.
type: pipeline_assets.components.UnifiedTable
attributes:
  name: t
  columns:
    - {name: n, type: int}  # a comment
    - name: at
      type: timestamp
      nullable: false   # another

  time_column: at
  sources:
    - name: shop
      postgresql: {database: d, table: public.t, key: [id]}
      columns:
        n: n
        at: {from: at}

    - name: market
      mongodb: {database: d, collection: t}
      columns: {n: count, at: at}
# The end.
"""
FLOW = """type: pipeline_assets.components.UnifiedTable
attributes:
  name: t
  columns: [{name: n, type: int}, {name: at, type: timestamp, nullable: false}]
  time_column: at
  sources: [{name: shop, postgresql: {database: d, table: public.t, key: [id]}, columns: {n: n, at: at}}]"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("integer", "int"),
        ("bigint", "long"),
        ("numeric(10,2)", "decimal(10,2)"),
        ("numeric(3,-2)", "string"),
        ("numeric(60,2)", "string"),
        ("numeric", "string"),
        ("timestamp(3) without time zone", "timestamp"),
        ("character varying(20)", "string"),
        ("text[]", "json"),
        ("jsonb", "json"),
        ("bytea", "string"),
    ],
)
def test_a_type_of_sql_has_a_unified_one(text: str, expected: str) -> None:
    assert str(of_sql(text)) == expected


def declaration(folder: Path, text: str) -> Path:
    path = folder / "defs.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", [BLOCK, FLOW], ids=["block", "flow"])
def test_what_is_proposed_is_written_and_nothing_else_changes(tmp_path: Path, text: str) -> None:
    path = declaration(tmp_path, text)
    before = parse_contract(path)
    unknown = [("giftWrap", ColumnType(Kind.BOOLEAN)), ("odd. 'name", ColumnType(Kind.STRING)), ("no", of_sql("date"))]
    proposals = propose(before, "shop", unknown)
    assert [each.name for each in proposals] == ["gift_wrap", "odd_name", "no"]
    after = write(path, proposals)
    assert after.columns[: len(before.columns)] == before.columns
    assert [(each.name, str(each.type)) for each in after.columns[len(before.columns) :]] == [
        ("gift_wrap", "boolean"),
        ("odd_name", "string"),
        ("no", "date"),
    ]
    source = after.source("shop")
    assert [source.columns[name].paths for name in ("gift_wrap", "odd_name", "no")] == [
        (("giftWrap",),),
        (("odd. 'name",),),
        (("no",),),
    ]
    assert all(source.columns[name].optional for name in ("gift_wrap", "odd_name", "no"))
    assert source.unknown(["giftWrap", "odd. 'name", "no"]) == []
    # Only lines were added, or a line's end in the flow form.
    for line in text.splitlines():
        assert any(line.strip("[]}") in each for each in path.read_text().splitlines())


def test_a_column_that_another_source_fills_is_filled_by_this_one_too(tmp_path: Path) -> None:
    path = declaration(tmp_path, BLOCK)
    write(path, [Proposal("shop", "gift", "gift", ColumnType(Kind.BOOLEAN), optional=True)])
    contract = parse_contract(path)
    same, other = (propose(contract, "market", [("gift", ColumnType(kind))])[0] for kind in (Kind.BOOLEAN, Kind.STRING))
    assert (same.name, other.name) == ("gift", "market_gift")
    write(path, [same])
    assert parse_contract(path).source("market").columns["gift"].paths == (("gift",),)
    assert len(parse_contract(path).columns) == 3


def test_what_cannot_be_written_is_told_and_the_file_stays(tmp_path: Path) -> None:
    path = declaration(tmp_path, BLOCK)
    wrong = Proposal("shop", "x", "_x", ColumnType(Kind.INT), optional=True)
    with pytest.raises(ContractError, match=r"cannot be written into it .*: add \{name: '_x'"):
        write(path, [wrong])
    assert path.read_text() == BLOCK
    assert [each.name for each in tmp_path.iterdir()] == ["defs.yaml"]
