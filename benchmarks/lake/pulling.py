"""L2: pulling a table into pandas against reading its files with pyarrow."""

from __future__ import annotations

import time

import pandas as pd
import pyarrow.parquet as pq
from deltalake import DeltaTable

from benchmarks.lake.bench import LakeBench, Wanted, ratio
from benchmarks.result import Result
from dropless import Lake

OURS, OTHER, AGAIN = "pull", "pyarrow", "pyarrow again"


def measure(bench: LakeBench, _wanted: Wanted) -> list[Result]:
    """A new connection and the whole table each time, in turn with the same files by their names."""
    name = bench.state.name
    table = DeltaTable(bench.store.uri(name), storage_options=bench.store.delta_options())
    paths = [uri.rsplit("/", 1)[-1] for uri in table.file_uris()]
    expected = bench.positions(name)

    def timed(what: str, frame: pd.DataFrame, began: float) -> dict[str, float]:
        seconds = time.perf_counter() - began
        bench.check("the sum of positions", int(frame["_position"].sum()), expected)
        return {f"{what}, s": seconds}

    def ours() -> dict[str, float]:
        began = time.perf_counter()
        return timed(OURS, Lake(bench.reader).table(name).to_pandas(), began)

    def theirs(what: str) -> dict[str, float]:
        began = time.perf_counter()
        read = pq.ParquetDataset(paths, filesystem=bench.reader.filesystem(name)).read()
        return timed(what, read.to_pandas(types_mapper=pd.ArrowDtype), began)

    ours()
    theirs(OTHER)
    steps = [(OURS, ours), (OTHER, lambda: theirs(OTHER)), (AGAIN, lambda: theirs(AGAIN))]
    pairs = bench.rounds(steps, bench.scale.rounds)
    figures = {"pull": ratio(pairs, "pull, s", "pyarrow, s")}
    setup = {"rows": bench.count(name), "files": len(paths)}
    return [bench.result("L2", figures, pairs, setup, control=ratio(pairs, "pyarrow again, s", "pyarrow, s"))]
