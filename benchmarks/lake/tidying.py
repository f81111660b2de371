"""L5: how many files are live after many changes in many commits, merged and tidied as the schedules do."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

from benchmarks.lake.bench import LakeBench, Wanted
from benchmarks.payload import BEGAN
from benchmarks.result import Pairs, Result
from benchmarks.statistics import median
from dropless.lake.maintenance import clean, compact, statistics
from dropless.lake.merge import Merge

MERGE_EVERY: Final = 20
"""Commits between merges: two minutes at the writer's own pace would be 24."""
KEEP_DAYS: Final = 7
DAYS: Final = 30


def measure(bench: LakeBench, _wanted: Wanted) -> list[Result]:
    """Write, merge, tidy, and count."""
    scale, contract = bench.scale, bench.table()
    each = scale.changes // scale.change_commits
    keys = max(each, scale.changes // 5)
    pairs = Pairs()
    with bench.block("commits and merges"):
        began = time.perf_counter()
        for number in range(scale.change_commits):
            # The table of changes is partitioned by day: each has a file of its own at least.
            at = BEGAN + timedelta(days=DAYS * number // scale.change_commits)
            bench.append(contract, bench.rows.of(bench.rows.keys(keys, each), number * each, at=at))
            if (number + 1) % MERGE_EVERY == 0:
                Merge(bench.store, contract.name).run()
        Merge(bench.store, contract.name).run()
        written = time.perf_counter() - began
    before = {told.table: told for told in statistics(bench.store, contract.name)}
    with bench.block("maintenance"):
        began = time.perf_counter()
        compact(bench.store, contract.name)
        clean(bench.store, contract.name, KEEP_DAYS)
        tidied = time.perf_counter() - began
    after = {told.table: told for told in statistics(bench.store, contract.name)}
    changes = after[f"{contract.name}_changes"]
    bench.check("the table's rows", changes.rows, scale.change_commits * each)
    bench.check("the current state's rows", after[contract.name].rows, before[contract.name].rows)
    values = {
        "live files, changes": changes.files,
        "live files, current state": after[contract.name].files,
        "before, changes": before[changes.table].files,
        "before, current state": before[contract.name].files,
        "writing and merging, s": written,
        "maintenance, s": tidied,
    }
    # Files are counted, not timed: noise changes nothing.
    pairs.add(values, {})
    most = max(told.files for told in after.values())
    setup = {
        "changes": scale.change_commits * each,
        "commits": scale.change_commits,
        "merged every": MERGE_EVERY,
        "days": DAYS,
    }
    return [bench.result("L5", {"files": median([most])}, pairs, setup)]
