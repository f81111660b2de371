"""Rows that were there before the pipeline started arrive, too."""

from __future__ import annotations

from collections import Counter

from deltalake import DeltaTable
from faulty_orders import SHOP

from dropless import names
from dropless.endpoints import Endpoints
from dropless.example import SOURCES
from dropless.lake.store import Store


def test_rows_from_before_the_pipeline_are_in_the_lake_as_read_by_a_snapshot(endpoints: Endpoints):
    store = Store.reader(endpoints)
    table = DeltaTable(store.uri(names.changes_table("orders")), storage_options=store.delta_options())
    changes = table.to_pyarrow_table(columns=["_source", "_op", "_key"]).to_pylist()
    # What reconciliation had read again was never there before.
    first_seen = {(row["_source"], row["_key"]) for row in changes if row["_op"] == "r" and SHOP not in row["_key"]}
    read = Counter(source for source, _ in first_seen)
    assert {source: read[source] for source in SOURCES} == dict.fromkeys(SOURCES, 1000)
