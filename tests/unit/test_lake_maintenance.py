"""The lake's tables after maintenance: few files, the same rows, versions for as long as is promised."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lake_folder import FolderLake, change, random_changes

from dropless.lake import maintenance, rewriting
from dropless.lake.maintenance import clean, compact, statistics, waiting_seconds
from dropless.lake.merge import Merge


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path)


def test_compaction_leaves_few_files_and_the_same_rows(lake: FolderLake, monkeypatch: pytest.MonkeyPatch):
    # New keys always into a new file, so that there are many.
    monkeypatch.setattr(rewriting, "FOLD_BYTES", 0)
    generator = random.Random(1)
    positions = list(range(1, 2000))
    generator.shuffle(positions)
    for _ in range(8):
        lake.append(random_changes(generator, 30, 500, positions))
        Merge(lake.store, lake.table).run()
    before = {each.table: each for each in statistics(lake.store, lake.table)}
    assert before["orders"].small_files == before["orders"].files > 4
    compact(lake.store, lake.table)
    after = {each.table: each for each in statistics(lake.store, lake.table)}
    assert {name: each.files for name, each in after.items()} == dict.fromkeys(maintenance.tables_of("orders"), 1)
    assert {name: each.rows for name, each in after.items()} == {name: each.rows for name, each in before.items()}
    assert lake.merged() == lake.expected()
    assert Merge(lake.store, lake.table).run().commits == 0


def test_merges_and_compactions_at_once_lose_nothing(lake: FolderLake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rewriting, "FOLD_BYTES", 0)
    generator = random.Random(1)
    positions = list(range(1, 3000))
    generator.shuffle(positions)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(8):
            lake.append(random_changes(generator, 30, 300, positions))
            jobs = [pool.submit(Merge(lake.store, lake.table).run), pool.submit(compact, lake.store, lake.table)]
            for job in jobs:
                job.result()
    Merge(lake.store, lake.table).run()
    assert lake.merged() == lake.expected()


def test_cleaning_keeps_what_time_travel_needs_and_deletes_what_it_does_not(lake: FolderLake, tmp_path: Path):
    lake.append([change(1, 1)])
    Merge(lake.store, lake.table).run()
    lake.append([change(1, 2)])
    Merge(lake.store, lake.table).run()
    orphan = tmp_path / "orders" / "part-left-by-a-killed-merge.parquet"
    orphan.write_bytes(b"PAR1")
    assert clean(lake.store, lake.table, 7) == {"orders_changes": 0, "orders": 0}
    old = lake.delta()
    old.load_as_version(1)
    assert old.to_pyarrow_table()["_position"].to_pylist() == [1]
    assert orphan.exists()
    assert clean(lake.store, lake.table, 0) == {"orders_changes": 0, "orders": 2}
    assert not orphan.exists()
    assert lake.merged() == lake.expected()


def test_changes_that_wait_too_long_are_not_cleaned_away(lake: FolderLake):
    lake.append([change(1, 1)])
    assert set(clean(lake.store, lake.table, 7, waits=4 * 86_400)) == set()
    assert set(clean(lake.store, lake.table, 7, waits=3 * 86_400)) == {"orders_changes"}


def test_it_is_told_for_how_long_changes_wait(lake: FolderLake):
    assert waiting_seconds(lake.store, lake.table, time.time()) is None
    lake.append([change(1, 1)])
    now = time.time()
    assert 100 <= (waiting_seconds(lake.store, lake.table, now + 100) or 0) < 160
    Merge(lake.store, lake.table).run()
    assert waiting_seconds(lake.store, lake.table, now + 100) is None
    lake.append([change(1, 2)])
    lake.append([change(1, 3)])
    waits = waiting_seconds(lake.store, lake.table, time.time() + 50)
    assert waits is not None
    assert 50 <= waits < 60
    lake.delta(lake.folder).optimize.compact()
    Merge(lake.store, lake.table).run()
    assert waiting_seconds(lake.store, lake.table, time.time() + 50) is None
