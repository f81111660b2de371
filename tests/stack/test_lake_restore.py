"""Broken files of the changes in the real object store, written anew while the writer goes on, and whoever dies."""

from __future__ import annotations

import signal

import pytest
from deltalake import DeltaTable
from small_lake import SmallLake
from small_union import in_background

from dropless.lake import damage
from dropless.lake.fault_points import FAULTS, Point

pytestmark = pytest.mark.timeout(300)


def break_largest(lake: SmallLake) -> int:
    """Cut the largest file of the changes in half; how many rows it had."""
    changes = DeltaTable(lake.store.uri(lake.changes), storage_options=lake.store.delta_options())
    path, rows = max(((each.path, each.rows) for each in damage.files(changes)), key=lambda each: each[1])
    client, where = (
        lake.store.client(),
        {"Bucket": lake.store.bucket, "Key": f"{lake.store.folder}{lake.changes}/{path}"},
    )
    whole = client.get_object(**where)["Body"].read()
    client.put_object(**where, Body=whole[: len(whole) // 2])
    return rows


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
