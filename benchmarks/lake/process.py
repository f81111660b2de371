"""A process that writes as the lake writer does, fed from memory: `python -m benchmarks.lake.process`.

The same buffer, limits, parsing and commits; what is left out is Kafka. It tells what it used as JSON.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import orjson
import psutil
from confluent_kafka import Message

from dropless import names
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.lake.buffer import Buffer
from dropless.lake.loop import POLL_RECORDS
from dropless.lake.schema import changes_schema
from dropless.lake.store import Store
from dropless.lake.table import ChangesTable
from dropless.settings import Settings

WARM_ROWS: Final = 20_000
_NEVER: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Record:
    """What the buffer asks of a consumed record."""

    taken: bytes
    place: int

    def value(self) -> bytes:
        """The row."""
        return self.taken

    def topic(self) -> str:
        """Of one topic."""
        return "bench"

    def partition(self) -> int:
        """And one partition."""
        return 0

    def offset(self) -> int:
        """Its place in it."""
        return self.place


def write(table: ChangesTable, buffer: Buffer, pool: list[bytes], first: int, rows: int) -> int:
    """Write so many rows and commit the rest; the number of commits."""
    commits = 0
    for start in range(first, first + rows, POLL_RECORDS):
        places = range(start, min(start + POLL_RECORDS, first + rows))
        records = [Record(pool[place % len(pool)], place) for place in places]
        buffer.add(cast("list[Message]", records), {})
        if buffer.due or places.stop == first + rows:
            table.append(*buffer.take())
            commits += 1
    return commits


def main() -> None:
    """Write a few rows to be warm, then those that are measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--pool", type=Path, required=True)
    arguments = parser.parse_args()
    settings = Settings.load()
    contract = declared(settings, "orders")
    schema = changes_schema(contract)
    store = Store.pipeline(Endpoints.local(settings))
    table = ChangesTable(store, names.changes_table(arguments.table), names.unified_topic(arguments.table), schema)
    buffer = Buffer(schema, _NEVER, contract.lake.commit_bytes)
    pool = arguments.pool.read_bytes().splitlines()
    write(table, buffer, pool, 0, WARM_ROWS)
    process = psutil.Process()
    cpu, began = process.cpu_times(), time.perf_counter()
    commits = write(table, buffer, pool, WARM_ROWS, arguments.rows)
    after = process.cpu_times()
    told: dict[str, Any] = {
        "cpu": after.user + after.system - cpu.user - cpu.system,
        "seconds": time.perf_counter() - began,
        "commits": commits,
        "resident": process.memory_info().rss,
        "peak": _peak(),
        "rows": WARM_ROWS + arguments.rows,
    }
    sys.stdout.buffer.write(orjson.dumps(told))


def _peak() -> int:
    # Not getrusage: its figure is older than the exec, and so that of the process which started this one.
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    main()
