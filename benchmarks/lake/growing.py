"""L3 and L4: the writer's memory and what a row costs, however many there are."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.lake.bench import LakeBench, Wanted, ratio
from benchmarks.result import Result
from dropless import names
from dropless.errors import DroplessError
from dropless.settings import PROJECT

BENCHMARKS: Final = ("L3", "L4")
# As supervisord starts the writer.
_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "2", "PYTHONPATH": str(PROJECT)}


def measure(bench: LakeBench, wanted: Wanted) -> list[Result]:
    """A process for each size, in turn."""
    sizes = bench.scale.sizes
    # Below a few commits there is less in memory than ever after.
    few, many = sizes[1], sizes[-1]
    with tempfile.TemporaryDirectory(prefix="dropless-bench-") as folder:
        pool = Path(folder) / "rows.jsonl"
        pool.write_bytes(b"\n".join(bench.rows.values))
        steps = [(f"{size:,} rows", lambda size=size: _write(bench, pool, size)) for size in sizes]
        pairs = bench.rounds(steps, bench.scale.growth_rounds)
    found = {
        "L3": {"memory": ratio(pairs, f"resident MiB, {many:,}", f"resident MiB, {few:,}")},
        "L4": {"cpu": ratio(pairs, f"CPU-s a million, {many:,}", f"CPU-s a million, {sizes[0]:,}")},
    }
    return [bench.result(name, found[name], pairs, {"rows": sizes}) for name in BENCHMARKS if name in wanted]


def _write(bench: LakeBench, pool: Path, rows: int) -> dict[str, float]:
    contract = bench.table()
    arguments = ["--table", contract.name, "--rows", str(rows), "--pool", str(pool)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.lake.process", *arguments],
        env=os.environ | bench.settings.environment() | _ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise DroplessError(f"The process ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    told: dict[str, Any] = orjson.loads(done.stdout)
    bench.check("the table's rows", bench.count(names.changes_table(contract.name)), told["rows"])
    return {
        f"CPU-s a million, {rows:,}": 1e6 * told["cpu"] / rows,
        f"rows a second, {rows:,}": rows / told["seconds"],
        f"resident MiB, {rows:,}": told["resident"] / 2**20,
        f"peak MiB, {rows:,}": told["peak"] / 2**20,
        f"commits, {rows:,}": told["commits"],
    }
