"""The current state against the real object store: merged, fenced, tidied, and read exactly now."""

from __future__ import annotations

import signal

import pytest
from deltalake import DeltaTable, write_deltalake
from small_lake import SmallLake
from small_union import eventually, in_background, status

from dropless import Lake
from dropless.errors import DroplessError
from dropless.lake.fault_points import FAULTS, Point
from dropless.lake.maintenance import clean, compact, statistics
from dropless.lake.merge import Merge
from dropless.lake.store import Store
from resources.lake_audit import audit_lake

pytestmark = pytest.mark.timeout(400)


def test_what_is_merged_is_the_newest_and_what_is_read_now_has_the_rest(lake: SmallLake):
    _, port = lake.writer()
    lake.write_rows(1000)
    lake.check()
    assert lake.merge().wait(60) == 0
    assert lake.current() == lake.current(now=True) == lake.expected()
    before = lake.current()
    table = Lake(Store.reader(lake.endpoints)).table(lake.table)
    lake.write_rows(700)
    eventually(lambda: status(port)["rows_out"] == 1700)
    assert lake.current() == before
    assert lake.current(now=True) == lake.expected() != before
    assert lake.merge().wait(60) == 0
    assert lake.current() == lake.expected()
    newer = Lake(Store.reader(lake.endpoints)).table(lake.table)
    assert newer.fresh_until > table.fresh_until
    assert dict(newer.as_of(table.version).to_polars(["_key", "amount"]).iter_rows()) == before
    with pytest.raises(DroplessError, match="is not merged from changes"):
        Lake(Store.reader(lake.endpoints)).table(lake.changes).now()


def test_merges_that_are_killed_anywhere_lose_nothing_and_bring_nothing_twice(lake: SmallLake):
    _, port = lake.writer()
    for number, point in enumerate(Point, 1):
        lake.write_rows(300)
        eventually(lambda number=number: status(port)["rows_out"] == 300 * number)
        assert lake.merge({FAULTS.variable: f"{point}:1:3"}).wait(60) == -signal.SIGKILL
        assert lake.current(now=True) == lake.expected()
    assert lake.merge().wait(60) == 0
    assert lake.current() == lake.expected()


def test_merges_compaction_and_cleaning_at_once_with_a_writer_end_in_the_same_state(lake: SmallLake):
    lake.writer()
    with in_background(lambda: lake.write_rows(16_000, rate=1000)):
        eventually(lambda: lake.found().total() > 0)
        for _ in range(4):
            first, second = lake.merge(), lake.merge()
            compact(lake.store, lake.table)
            assert {first.wait(60), second.wait(60)} == {0}
            clean(lake.store, lake.table, 1)
    lake.check()
    assert lake.current(now=True) == lake.expected()
    Merge(lake.store, lake.table).run()
    compact(lake.store, lake.table)
    assert lake.current() == lake.expected()
    assert all(each.files < 10 for each in statistics(lake.store, lake.table))
    uri, options = lake.store.uri(lake.table), lake.store.options()
    assert DeltaTable(uri, storage_options=options).to_pyarrow_table().num_rows == len(lake.expected())


def test_the_audit_finds_what_is_lost_doubled_or_wrong_in_the_lake(lake: SmallLake):
    _, port = lake.writer()
    lake.write_rows(600)
    eventually(lambda: status(port)["rows_out"] == 600)
    Merge(lake.store, lake.table).run()
    assert audit_lake(lake.endpoints, lake.contract).findings == ()
    options = {"storage_options": lake.store.delta_options()}
    changes = DeltaTable(lake.store.uri(lake.changes), **options)
    write_deltalake(changes, changes.to_pyarrow_table(filters=[("_offset", "=", 7)]), mode="append")
    DeltaTable(lake.store.uri(lake.changes), **options).delete("_offset = 450")
    DeltaTable(lake.store.uri(lake.table), **options).delete("_offset = 599")
    first, second, third = audit_lake(lake.endpoints, lake.contract).findings
    assert first == "1 rows of the topic are not in the lake, such as raw.x.shop@0@450."
    assert second == "1 rows of the topic are in the lake more often than in the topic, such as raw.x.shop@0@7."
    assert third == "1 rows that follow from the changes are not in the current state, such as shop:299@599."
