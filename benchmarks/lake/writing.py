"""P8: the writer's commits against plain Parquet files, to the same object store."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.blocks import Step
from benchmarks.lake.bench import LakeBench, Wanted, ratio
from benchmarks.result import Result
from dropless import names
from dropless.lake.schema import parse

LAKE, JSON, PLAIN, AGAIN = "lake", "lake, from JSON", "pyarrow", "pyarrow again"


def measure(bench: LakeBench, _wanted: Wanted) -> list[Result]:
    """Commits as large as the writer's own, in turn with files of the same rows."""
    contract = bench.table()
    rows = round(contract.lake.commit_bytes / bench.rows.bytes_a_row)
    data = [bench.rows.of(np.arange(rows), number * rows) for number in range(bench.scale.commits)]
    values = [bench.rows.values[number % len(bench.rows.values)] for number in range(rows)]
    size = float(sum(each.nbytes for each in data)) / 2**20
    committed = 0

    # One handle for all commits, as the writer has it.
    handle = bench.changes(contract)

    def commit(tables: list[pa.Table]) -> float:
        nonlocal committed
        for each in tables:
            committed += each.num_rows
            handle.append(each, {0: committed})
        return size

    filesystem = bench.store.filesystem(f"{contract.name}_other")

    def plain() -> float:
        for each in data:
            path = f"{uuid.uuid4()}.parquet"
            pq.write_table(each, path, filesystem=filesystem, compression="zstd", compression_level=1)
        return size

    def from_json() -> float:
        table = parse(values, bench.rows.schema)
        commit([table])
        return float(table.nbytes) / 2**20

    def timed(name: str, write: Callable[[], float]) -> Step:
        def step() -> dict[str, float]:
            began, cpu = time.perf_counter(), time.process_time()
            written = write()
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            return {f"{name}, MiB/s": written / seconds, f"{name}, CPU-s a GiB": 1024 * cpu / written}

        return name, step

    commit(data)
    plain()
    pairs = bench.rounds(
        [
            timed(LAKE, lambda: commit(data)),
            timed(PLAIN, plain),
            timed(JSON, from_json),
            timed(AGAIN, plain),
        ],
        bench.scale.rounds,
    )
    bench.check("the table's rows", bench.count(names.changes_table(contract.name)), committed)
    bench.check("its position", bench.changes(contract).positions([0])[0], committed)
    figures = {
        "write": ratio(pairs, f"{LAKE}, MiB/s", f"{PLAIN}, MiB/s"),
        "from JSON": ratio(pairs, f"{JSON}, MiB/s", f"{PLAIN}, MiB/s"),
    }
    control = ratio(pairs, f"{AGAIN}, MiB/s", f"{PLAIN}, MiB/s")
    setup = {"rows a commit": rows, "commits a block": len(data), "MiB a block": round(size)}
    return [bench.result("P8", figures, pairs, setup, control=control)]
