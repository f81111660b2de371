"""L1 and L6: a merge of few changes into many rows against delta-rs's own, and what publishing adds to it."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, WriterProperties, write_deltalake

from benchmarks.lake.bench import LakeBench, Wanted, ratio
from benchmarks.result import Result
from dropless.lake.merge import Merge
from dropless.lake.publishing import publish
from dropless.lake.scan import live
from dropless.lake.schema import DAY

BENCHMARKS: Final = ("L1", "L6")
OURS, OTHER = "merge", "delta-rs"
UPDATED, DELETED = 0.8, 0.1
"""Shares of the changes; the rest are new rows."""
_AS_OURS: Final = WriterProperties(compression="ZSTD", compression_level=1)


def measure(bench: LakeBench, wanted: Wanted) -> list[Result]:
    """Both merge the same changes into the same rows, in turn."""
    contract = bench.state
    store = bench.store
    other = f"{contract.name}_other"
    bench.tell("writing the same rows for delta-rs")
    own = DeltaTable(store.uri(contract.name), storage_options=store.delta_options())
    rows = live(store, contract.name, own).scanner().to_reader()
    write_deltalake(
        store.uri(other), rows, mode="overwrite", storage_options=store.delta_options(), writer_properties=_AS_OURS
    )
    published = store.published()
    publish(store, published, contract)
    supply = _Supply(bench)
    turn: list[pa.Table] = []

    def ours() -> dict[str, float]:
        changes = supply.next_for(turn)
        bench.append(contract, changes)
        began, cpu = time.perf_counter(), time.process_time()
        done = Merge(store, contract.name).run()
        merged, cpu = time.perf_counter(), time.process_time() - cpu
        publish(store, published, contract)
        published_at = time.perf_counter()
        bench.check("the changes merged", done.changes, changes.num_rows)
        return {"merge, s": merged - began, "merge, CPU-s": cpu, "publishing, s": published_at - merged}

    def theirs() -> dict[str, float]:
        changes = supply.next_for(turn).drop_columns([DAY])
        began, cpu = time.perf_counter(), time.process_time()
        table = DeltaTable(store.uri(other), storage_options=store.delta_options())
        merger = table.merge(
            changes, "target._key = source._key", source_alias="source", target_alias="target",
            writer_properties=_AS_OURS,
        )  # fmt: skip
        newer = "source._position > target._position"
        (
            merger.when_matched_delete(f"{newer} and source._deleted")
            .when_matched_update_all(newer)
            .when_not_matched_insert_all("not source._deleted")
            .execute()
        )
        return {"delta-rs, s": time.perf_counter() - began, "delta-rs, CPU-s": time.process_time() - cpu}

    # Warm, and the first files of both rewritten.
    ours()
    theirs()
    pairs = bench.rounds([(OURS, ours), (OTHER, theirs)], bench.scale.rounds)
    bench.check("the sum of delta-rs's positions", bench.positions(other), bench.positions(contract.name))
    bench.check("delta-rs's rows", bench.count(other), bench.count(contract.name))
    found = {
        "L1": {"merge": ratio(pairs, "merge, s", "delta-rs, s")},
        "L6": {"publishing": ratio(pairs, "publishing, s", "merge, s")},
    }
    setup = {"rows": bench.scale.state_rows, "changes": bench.scale.merged, "updates": UPDATED, "deletions": DELETED}
    return [bench.result(name, found[name], pairs, setup) for name in BENCHMARKS if name in wanted]


class _Supply:
    """The changes of each round: both get the same."""

    def __init__(self, bench: LakeBench) -> None:
        self._bench = bench
        # Keys and positions above those of the state.
        self._position = self._new = bench.scale.state_rows

    def next_for(self, turn: list[pa.Table]) -> pa.Table:
        """What the other one of this round got, or new changes."""
        if turn:
            return turn.pop()
        scale = self._bench.scale
        updated, deleted = round(UPDATED * scale.merged), round(DELETED * scale.merged)
        keys = self._bench.rows.keys(scale.state_rows, updated + deleted)
        fresh = scale.merged - updated - deleted
        live_keys = np.concatenate([keys[:updated], np.arange(self._new, self._new + fresh)])
        changes = pa.concat_tables(
            [
                self._bench.rows.of(live_keys, self._position),
                self._bench.rows.of(keys[updated:], self._position + len(live_keys), deleted=True),
            ]
        )
        self._position += scale.merged
        self._new += fresh
        turn.append(changes)
        return changes
