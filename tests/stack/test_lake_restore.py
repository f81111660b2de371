"""Broken files of the changes in the real object store, written anew while the writer goes on, and whoever dies."""

from __future__ import annotations

import signal

import pytest
from breaking import cut
from deltalake import DeltaTable
from small_lake import SmallLake
from small_union import in_background

from dropless import names
from dropless.lake.datafiles import files
from dropless.lake.fault_points import FAULTS, Point
from dropless.lake.maintenance import tables_of
from dropless.lake.store import Store
from resources.lake_audit import audit_lake

pytestmark = pytest.mark.timeout(300)


def break_largest(lake: SmallLake, store: Store | None = None, folder: str | None = None) -> int:
    """Cut the largest file of the changes, or of another folder, in half; how many rows it had."""
    store, folder = store or lake.store, folder or lake.changes
    found = files(DeltaTable(store.uri(folder), storage_options=store.delta_options()))
    largest = max(found, key=lambda each: each.bytes)
    cut(store, folder, largest.path)
    assert largest.rows
    return largest.rows


def test_broken_changes_are_written_anew_while_more_come(lake: SmallLake):
    lake.writer()
    lake.write_rows(2000)
    lake.check()
    # The merge has yet to read it.
    rows = break_largest(lake)
    assert lake.command("merge").wait(60) == 1
    assert "is gone or broken; `dropless lake restore TABLE` makes it anew" in lake.log("merge")
    with in_background(lambda: lake.write_rows(4000, rate=500)):
        assert lake.command("restore").wait(60) == 0
    assert f"Written anew: {rows:,} changes from the unified topic" in lake.log("restore")
    lake.check()
    assert lake.command("merge").wait(60) == 0
    assert lake.current() == lake.expected()
    assert lake.command("restore").wait(60) == 0
    assert "can be read" in lake.log("restore")


def test_a_restoration_that_is_killed_around_its_commit_leaves_each_row_once(lake: SmallLake):
    writer, _ = lake.writer()
    lake.write_rows(1000)
    lake.check()
    for point, milliseconds in ((Point.BEFORE_COMMIT, 0), (Point.DURING_COMMIT, 15), (Point.AFTER_COMMIT, 0)):
        break_largest(lake)
        killed = lake.command("restore", {FAULTS.variable: f"{point}:1:{milliseconds}"})
        assert killed.wait(60) == -signal.SIGKILL
        assert lake.command("restore").wait(60) == 0
        lake.check()
    assert writer.poll() is None
    assert lake.command("merge").wait(60) == 0
    assert lake.current() == lake.expected()


def test_every_folder_of_a_table_is_made_anew(lake: SmallLake):
    lake.writer()
    lake.write_rows(1000)
    lake.check()
    assert lake.command("merge").wait(60) == 0
    public = lake.store.published()
    for store in (lake.store, public):
        for folder in tables_of(lake.table):
            if store is lake.store or folder != names.deletions_table(lake.table):
                break_largest(lake, store, folder)
    assert lake.command("restore").wait(60) == 0
    told = lake.log("restore")
    for each in ("changes from the unified topic", "files of merged deletions", "rows of the current state"):
        assert each in told
    assert "2 published tables" in told
    lake.check()
    lake.write_rows(600)
    lake.check()
    assert lake.command("merge").wait(60) == 0
    assert lake.current() == lake.current(now=True) == lake.expected()
    assert audit_lake(lake.endpoints, lake.contract).findings == ()
