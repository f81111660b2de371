"""Published tables: the rows without personal columns, as new as their tables, and never more."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from contracts import ORDERS_FILE
from deltalake import DeltaTable
from lake_folder import FolderLake, FolderStore, change, random_changes

from dropless.contract import Contract, parse_contract
from dropless.lake import publishing
from dropless.lake.dataset import datasets
from dropless.lake.maintenance import compact
from dropless.lake.merge import Merge
from dropless.lake.merged import merged_until
from dropless.lake.personal import personal, personal_of
from dropless.lake.publishing import publish, publish_table
from dropless.lake.widening import widen

CONTRACT = parse_contract(ORDERS_FILE)
SECRET = "ada@example.org"


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "lake")


@pytest.fixture
def public(lake: FolderLake) -> FolderStore:
    return lake.store.published()


def bought(key: int, position: int, **more: Any) -> dict[str, Any]:
    return change(key, position) | {"customer_id": SECRET} | more


def rows(store: FolderStore, table: str) -> list[dict[str, Any]]:
    return sorted(DeltaTable(store.uri(table)).to_pyarrow_table().to_pylist(), key=lambda row: row["_position"])


def without_personal(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "customer_id"} for row in found]


def everything_in(folder: Path) -> bytes:
    """Every byte that a reader can fetch, Parquet files unpacked."""
    found = b""
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            found += str(pq.read_table(path, partitioning=None).to_pydict()).encode()
        elif path.is_file():
            found += path.read_bytes()
    return found


def test_the_rows_are_the_same_and_nothing_tells_of_a_person(lake: FolderLake, public: FolderStore):
    lake.append(bought(key, key + 1) for key in range(50))
    Merge(lake.store, lake.table).run()
    # Else this test shows nothing.
    assert SECRET.encode() in everything_in(Path(lake.store.bucket))
    publish(lake.store, public, CONTRACT)
    for table in ("orders", "orders_changes"):
        assert rows(public, table) == without_personal(rows(lake.store, table)), table
    assert SECRET.encode() not in everything_in(Path(public.bucket))
    assert merged_until(DeltaTable(public.uri("orders")).history()) == merged_until(lake.delta().history())


def test_it_follows_merges_deletions_and_compaction(lake: FolderLake, public: FolderStore):
    generator = random.Random(7)
    positions = list(range(1, 1201))
    generator.shuffle(positions)
    for round_number in range(6):
        lake.append(random_changes(generator, 200, 80, positions))
        Merge(lake.store, lake.table).run()
        if round_number % 2:
            compact(lake.store, lake.table)
        publish(lake.store, public, CONTRACT)
        for table in ("orders", "orders_changes"):
            assert rows(public, table) == without_personal(rows(lake.store, table))


def test_only_new_files_are_written(lake: FolderLake, public: FolderStore):
    lake.append([bought(1, 1)])
    publish(lake.store, public, CONTRACT)
    lake.append([bought(2, 2)])
    again = publish(lake.store, public, CONTRACT)
    assert [(each.table, each.added, each.removed) for each in again] == [("orders_changes", 1, 0)]
    version = DeltaTable(public.uri("orders_changes")).version()
    publish(lake.store, public, CONTRACT)
    assert DeltaTable(public.uri("orders_changes")).version() == version


def test_it_goes_on_where_a_killed_one_stopped(lake: FolderLake, public: FolderStore, monkeypatch: pytest.MonkeyPatch):
    lake.append([bought(1, 1)])
    lake.append([bought(2, 2)])
    copy, done = publishing._copy, []

    def killed(*arguments: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return copy(*arguments)

    monkeypatch.setattr(publishing, "_copy", killed)
    with pytest.raises(KeyboardInterrupt):
        publish(lake.store, public, CONTRACT)
    monkeypatch.undo()
    publish(lake.store, public, CONTRACT)
    assert rows(public, "orders_changes") == without_personal(rows(lake.store, "orders_changes"))


def test_of_two_that_publish_at_once_one_looks_again(
    lake: FolderLake, public: FolderStore, monkeypatch: pytest.MonkeyPatch
):
    lake.append([bought(1, 1)])
    publish(lake.store, public, CONTRACT)
    lake.append([bought(2, 2)])
    copy, met = publishing._copy, []

    def overtaken(*arguments: Any) -> Any:
        if not met:
            met.append(1)
            publish(lake.store, public, CONTRACT)
        return copy(*arguments)

    monkeypatch.setattr(publishing, "_copy", overtaken)
    publish(lake.store, public, CONTRACT)
    assert met
    assert rows(public, "orders_changes") == without_personal(rows(lake.store, "orders_changes"))


def test_a_column_that_becomes_personal_is_gone_from_all_versions(lake: FolderLake, public: FolderStore):
    lake.append([bought(1, 1, currency="secret money")])
    publish(lake.store, public, CONTRACT)
    assert b"secret money" in everything_in(Path(public.bucket))
    stricter = _with_personal(CONTRACT, "currency")
    publish(lake.store, public, stricter)
    assert b"secret money" not in everything_in(Path(public.bucket))
    assert len(rows(public, "orders_changes")) == 1
    publish(lake.store, public, CONTRACT)
    assert rows(public, "orders_changes")[0]["currency"] == "secret money"


def test_wider_columns_are_published(lake: FolderLake, public: FolderStore):
    lake.append([bought(1, 1, item_count=3)])
    publish(lake.store, public, CONTRACT)
    widen(lake.store, "orders_changes", {"item_count": pa.int64()})
    publish(lake.store, public, CONTRACT)
    assert rows(public, "orders_changes") == without_personal(rows(lake.store, "orders_changes"))
    assert DeltaTable(public.uri("orders_changes")).to_pyarrow_table().schema.field("item_count").type == pa.int64()


def test_a_key_that_tells_of_a_person_is_hidden_too():
    assert personal(CONTRACT) == {"customer_id"}
    assert personal(_with_personal(CONTRACT, "order_id")) == {"customer_id", "order_id", "_key"}


def test_curated_columns_made_of_personal_ones_are_personal(lake: FolderLake, public: FolderStore):
    shipped = {each.name: each for each in datasets(CONTRACT, ORDERS_FILE.parent)}
    for name, expected in (("customers", {"customer_id"}), ("daily_sales", set()), ("order_funnel", set())):
        dataset = shipped[name]
        assert personal_of(CONTRACT, dataset.header, list(dataset.header.columns)) == expected, name


def test_a_table_that_is_not_there_is_not_published(lake: FolderLake, public: FolderStore):
    assert publish_table(lake.store, public, "orders", {"customer_id"}) is None


def _with_personal(contract: Contract, name: str) -> Contract:
    columns = tuple(
        column.model_copy(update={"pii": True}) if column.name == name else column for column in contract.columns
    )
    return contract.model_copy(update={"columns": columns})
