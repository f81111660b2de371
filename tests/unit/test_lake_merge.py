"""The current state against what follows from all changes, whatever happens to its merge."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from lake_folder import FolderLake, FolderStore, change, random_changes

from dropless.lake import deltalog, merge, parquet
from dropless.lake.current import register_now
from dropless.lake.deltalog import history
from dropless.lake.engine import connect
from dropless.lake.fault_points import FAULTS, Point
from dropless.lake.merge import Merge
from dropless.lake.merged import MergedTable, merged_until
from dropless.lake.pending import row_schema
from dropless.lake.scan import live

KEYS = 60


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path)


def state_now(lake: FolderLake) -> dict[str, int]:
    with connect() as database:
        register_now(database, lake.store, lake.table, lake.folder)
        rows = database.sql("select _key, _position from orders").fetchall()
    assert len({key for key, _ in rows}) == len(rows)
    return dict(rows)


@pytest.mark.parametrize("seed", range(2))
def test_the_newest_position_of_each_key_wins_in_whatever_order_changes_come(lake: FolderLake, seed: int):
    generator = random.Random(seed)
    positions = list(range(1, 2000))
    generator.shuffle(positions)
    for _ in range(8):
        for _ in range(generator.randrange(1, 4)):
            lake.append(random_changes(generator, generator.randrange(1, 30), KEYS, positions))
        if lake.store.filesystem("orders").get_file_info("_delta_log").type.name == "Directory":
            assert state_now(lake) == lake.expected()
        Merge(lake.store, lake.table).run()
        assert lake.merged() == lake.expected()
        assert state_now(lake) == lake.expected()


def test_an_older_change_that_comes_late_brings_no_deleted_key_back(lake: FolderLake):
    lake.append([change(1, 10), change(2, 11)])
    lake.append([change(1, 20, deleted=True)])
    Merge(lake.store, lake.table).run()
    lake.append([change(1, 15)])
    assert state_now(lake) == {"shop:2": 11}
    done = Merge(lake.store, lake.table).run()
    assert (done.written, done.superseded) == (0, 1)
    assert lake.merged() == {"shop:2": 11}
    lake.append([change(1, 30)])
    Merge(lake.store, lake.table).run()
    assert lake.merged() == {"shop:1": 30, "shop:2": 11}


def test_merging_reads_the_new_files_of_the_changes_and_no_other(lake: FolderLake, tmp_path: Path):
    lake.append(change(key, key) for key in range(20))
    Merge(lake.store, lake.table).run()
    for file in (tmp_path / lake.folder).rglob("*.parquet"):
        file.unlink()
    lake.append([change(3, 100), change(50, 101)])
    assert Merge(lake.store, lake.table).run().changes == 2
    assert lake.merged() == lake.expected()


def test_compaction_of_the_changes_is_no_news_to_the_merge(lake: FolderLake):
    for number in range(5):
        lake.append([change(number, number + 1)])
    Merge(lake.store, lake.table).run()
    lake.append([change(9, 50)])
    lake.delta(lake.folder).optimize.compact()
    lake.append([change(10, 51)])
    done = Merge(lake.store, lake.table).run()
    assert done.changes == 2
    assert lake.merged() == lake.expected()
    assert Merge(lake.store, lake.table).run().commits == 0


def test_all_is_merged_anew_where_log_or_file_is_gone(lake: FolderLake, tmp_path: Path):
    lake.append([change(1, 1), change(2, 2)])
    Merge(lake.store, lake.table).run()
    lake.append([change(1, 3, deleted=True)])
    lake.append([change(2, 4)])
    lake.delta(lake.folder).create_checkpoint()
    (tmp_path / lake.folder / "_delta_log" / f"{lake.delta(lake.folder).version() - 1:020d}.json").unlink()
    assert state_now(lake) == lake.expected()
    Merge(lake.store, lake.table).run()
    assert lake.merged() == lake.expected()
    lake.append([change(3, 5)])
    table = lake.delta(lake.folder)
    table.optimize.compact()
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    Merge(lake.store, lake.table).run()
    assert lake.merged() == lake.expected()


def test_a_round_that_is_larger_than_memory_may_be_commits_in_parts(lake: FolderLake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(merge, "PART_BYTES", 20_000)
    monkeypatch.setattr(merge, "BATCH_ROWS", 50)
    generator = random.Random(5)
    positions = list(range(1, 5000))
    generator.shuffle(positions)
    lake.append(random_changes(generator, 2000, 300, positions))
    lake.append(random_changes(generator, 2000, 300, positions))
    done = Merge(lake.store, lake.table).run()
    assert done.commits > 5
    assert lake.merged() == lake.expected()


MERGE = """
import os, sys
from pathlib import Path
from lake_folder import FolderStore
from dropless.lake.fault_points import FAULTS
from dropless.lake.merge import Merge
Merge(FolderStore(Path(sys.argv[1])), "orders", "", FAULTS.reached(os.environ)).run()
"""


def merge_in_a_process(folder: Path, point: str = "") -> int:
    return subprocess.run(
        [sys.executable, "-c", MERGE, str(folder)],
        env={FAULTS.variable: point, "PYTHONPATH": str(Path(__file__).parent)},
        stderr=subprocess.DEVNULL,
        check=False,
    ).returncode


@pytest.mark.parametrize("point", Point)
def test_a_merge_that_is_killed_anywhere_changes_nothing_or_all(lake: FolderLake, tmp_path: Path, point: Point):
    lake.append(change(key, key + 1) for key in range(KEYS))
    Merge(lake.store, lake.table).run()
    generator = random.Random(1)
    positions = list(range(100, 500))
    generator.shuffle(positions)
    lake.append(random_changes(generator, 80, KEYS + 20, positions))
    before, after = lake.merged(), lake.expected()
    assert before != after
    assert merge_in_a_process(tmp_path, f"{point}:1:2") == -signal.SIGKILL
    assert lake.merged() in (before, after)
    assert state_now(lake) == after
    Merge(lake.store, lake.table).run()
    assert lake.merged() == after


def test_two_merges_at_once_end_in_the_same_state(lake: FolderLake):
    generator = random.Random(2)
    positions = list(range(1, 3000))
    generator.shuffle(positions)
    for _ in range(3):
        for _ in range(3):
            lake.append(random_changes(generator, 60, KEYS, positions))
        with ThreadPoolExecutor(3) as pool:
            done = list(pool.map(lambda _: Merge(lake.store, lake.table).run(), range(3)))
        assert sum(each.changes for each in done) == 180, "a commit was merged twice, or not at all"
        assert lake.merged() == lake.expected()


def test_what_a_stale_handle_would_write_is_refused(lake: FolderLake):
    lake.append([change(1, 1)])
    changes = lake.delta(lake.folder)
    stale = MergedTable(lake.store, lake.table, changes, row_schema(changes))
    Merge(lake.store, lake.table).run()
    with pytest.raises(CommitFailedError):
        stale.commit([], [], 1, {})


def test_a_new_column_of_the_changes_comes_to_the_current_state(lake: FolderLake):
    lake.append([change(1, 1), change(2, 2)])
    Merge(lake.store, lake.table).run()
    lake.schema = lake.schema.insert(3, pa.field("coupon", pa.string()))
    lake.append([change(2, 5) | {"coupon": "WELCOME"}])
    assert state_now(lake) == lake.expected()
    Merge(lake.store, lake.table).run()
    table = lake.delta().to_pyarrow_table()
    assert dict(zip(table["_key"].to_pylist(), table["coupon"].to_pylist(), strict=True)) == {
        "shop:1": None,
        "shop:2": "WELCOME",
    }


def test_columns_that_became_wider_in_the_changes_become_so_in_the_current_state(lake: FolderLake):
    lake.append([change(1, 1), change(2, 2) | {"item_count": 7}])
    Merge(lake.store, lake.table).run()
    lake.append([change(2, 3) | {"item_count": 8}])
    for column, kind in (("item_count", pa.int64()), ("amount", pa.decimal128(22, 4))):
        number = lake.schema.get_field_index(column)
        lake.schema = lake.schema.set(number, lake.schema.field(number).with_type(kind))
    lake.append([change(3, 5) | {"item_count": 2**40}])
    assert state_now(lake) == lake.expected()
    Merge(lake.store, lake.table).run()
    table = lake.delta().to_pyarrow_table()
    assert dict(zip(table["_key"].to_pylist(), table["item_count"].to_pylist(), strict=True)) == {
        "shop:1": None,
        "shop:2": 8,
        "shop:3": 2**40,
    }
    assert table.schema.field("amount").type == pa.decimal128(22, 4)
    assert lake.merged() == lake.expected()


def test_it_says_until_when_it_is_merged(lake: FolderLake):
    lake.append([change(1, 1)])
    committed = lake.delta(lake.folder).history(1)[0]["timestamp"]
    done = Merge(lake.store, lake.table).run()
    assert merged_until(lake.delta().history()) == done.merged_until == committed


def test_an_older_version_s_history_ends_with_it(lake: FolderLake):
    for key in range(4):
        lake.append([change(key, key)])
    older, newest = (DeltaTable(lake.store.uri(lake.folder), version=version) for version in (1, None))
    told = newest.history()
    assert history(older, newest) == [each for each in told if each["version"] <= 1]
    assert [each["version"] for each in history(older, newest, 1)] == [1]


EDGES = {
    "amount": [Decimal("-9999999999999999.99"), Decimal("0.50"), Decimal("9999999999999999.99"), None],
    "customer_id": ["a" * 5000, "", "\U0010ffff" * 40, None],
    "loyalty_points": [2**63 - 1, -(2**63), 2**53 + 1, None],
    "gift": [True, False, True, None],
    "updated_at": [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), None, None],
    "promised_on": [date(1, 1, 1), date(9999, 12, 31), None, None],
    "weight_kg": [0.1, -1.5, None, None],
}


@pytest.mark.parametrize("column", EDGES)
def test_filters_find_the_rows_whatever_the_values_in_a_file(lake: FolderLake, column: str):
    lake.append(change(key, key + 1) | {column: value} for key, value in enumerate(EDGES[column]))
    Merge(lake.store, lake.table).run()
    as_we_read = live(lake.store, "orders", lake.delta())
    as_others_read = lake.delta().to_pyarrow_dataset()
    changes = live(lake.store, lake.folder, lake.delta(lake.folder))
    with connect() as database:
        for dataset in (as_we_read, as_others_read, changes):
            database.register("found", dataset)
            for value in EDGES[column]:
                where, values = (f"{column} is null", []) if value is None else (f"{column} = ?", [value])
                rows = database.execute(f"select count(*) from found where {where}", values).fetchall()
                assert rows == [(EDGES[column].count(value),)], value


def test_a_file_tells_how_many_values_are_null_and_no_bounds(tmp_path: Path):
    store = FolderStore(tmp_path)
    schema = pa.schema([pa.field("_key", pa.string()), pa.field("amount", pa.decimal128(18, 2))])
    rows = pa.Table.from_pylist([{"_key": "a", "amount": None}, {"_key": "b", "amount": Decimal(1)}], schema=schema)
    written = parquet.write(store.filesystem("t"), schema, rows.to_batches())
    assert written
    assert written.stats == {"numRecords": 2, "nullCount": {"_key": 0, "amount": 1}}
    assert parquet.write(store.filesystem("t"), schema, []) is None


def test_a_commit_of_the_writer_has_dictionaries_only_where_values_repeat(lake: FolderLake, tmp_path: Path):
    lake.append(change(key, key) for key in range(2000))
    [path] = (tmp_path / lake.folder).rglob("*.parquet")
    [group] = pq.ParquetFile(path).metadata.to_dict()["row_groups"]
    columns = {each["path_in_schema"]: each for each in group["columns"]}
    with_dictionary = {name for name, each in columns.items() if each["has_dictionary_page"]}
    assert {"_source", "status", "_topic"} <= with_dictionary
    assert with_dictionary.isdisjoint({"_key", "order_id", "amount", "_position", "_committed_at"})
    assert {each["compression"] for each in columns.values()} == {"ZSTD"}


def test_only_a_change_of_data_makes_a_file_new():
    content = b"""{"commitInfo":{"timestamp":17}}
{"add":{"path":"d=1/a%20b.parquet","size":5,"dataChange":true}}
{"add":{"path":"d=1/c.parquet","size":7,"dataChange":false}}
{"remove":{"path":"d=1/e.parquet","dataChange":false}}
"""
    assert deltalog.parse(3, content) == deltalog.Added(3, 17, ("d=1/a b.parquet",), 5)
