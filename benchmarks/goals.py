"""What each benchmark has to reach: "must" is the floor, "aim" the goal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Goal:
    """One figure of a benchmark and its limits; `smaller` when less is better."""

    benchmark: str
    figure: str
    what: str
    must: float | None
    aim: float | None
    smaller: bool = False
    unit: str = ""

    def reached(self, value: float, limit: float | None) -> bool:
        """Whether a value keeps a limit; no limit is always kept."""
        return limit is None or (value <= limit if self.smaller else value >= limit)


GOALS: Final = (
    Goal("P1", "one process", "union / H, one process", 1.0, None),
    Goal("P1", "two processes", "union / H, two processes", 1.0, 1.5),
    Goal("P1q", "throughput", "union / Quix Streams, changes a second", 2.0, 3.0),
    Goal("P1q", "cpu", "union / Quix Streams, CPU of the process for a change", 0.40, 0.22, smaller=True),
    Goal("P2", "throughput", "transactional / idempotent, not transactional", 0.80, 0.93),
    Goal("P8", "write", "lake writer's commits / plain Parquet files on the same store, bytes a second", 0.35, 0.7),
    Goal("P8", "from JSON", "the same with the writer's parsing", None, None),
    Goal("P10", "cpu", "CPU for a million changes, 10x / 1x", 1.15, 1.05, smaller=True),
    Goal("P11", "memory", "resident memory after 10x / 1x", 1.10, 1.03, smaller=True),
    Goal("P12", "drain", "drain rate / steady input, after a stall of 60 s", 1.5, 3.0),
    Goal("P13", "recovery", "kill -9 to the successor's first committed row", 5.0, 2.0, smaller=True, unit="s"),
    Goal("P15", "p50 at 200/s", "latency added by the union at 200 changes/s, p50", 80, 50, smaller=True, unit="ms"),
    Goal("P15", "p99 at 200/s", "latency added by the union at 200 changes/s, p99", 250, 100, smaller=True,
         unit="ms"),
    Goal("P15", "p50 at 50/s", "the same at 50 changes/s, p50", None, None, smaller=True, unit="ms"),
    Goal("P15", "p99 at 50/s", "the same at 50 changes/s, p99", None, None, smaller=True, unit="ms"),
    Goal("L1", "merge", "10,000 changes merged into 1 million rows / the same by delta-rs", 1.2, 1.0, smaller=True),
    Goal("L2", "pull", "1 million rows into pandas / pyarrow reading the same files", 1.3, 1.1, smaller=True),
    Goal("L3", "memory", "lake writer's resident memory, 10x rows / 1x", 1.10, 1.03, smaller=True),
    Goal("L4", "cpu", "lake writer's CPU for a row, 10 million rows / 100,000", 1.15, 1.05, smaller=True),
    Goal("L5", "files", "live files of a table after 1 million changes and maintenance", 49, 35, smaller=True),
    Goal("L6", "publishing", "publishing without personal columns / the merge before it", None, None, smaller=True),
)  # fmt: skip
METHODS: Final[Mapping[str, str]] = {
    "P1": "H = 1 / (1/C + 1/P), with C of kafka-consumer-perf-test (read_committed, the union's raw topics) and P of "
    "kafka-producer-perf-test (acks=all, idempotent, one request in flight, the union's compression, batch and linger, "
    "the union's own rows), measured in the same round. Both tools get four times the union's records, and P's "
    "first half is not counted, since Java compiles what runs hot within the run. All are told in changes (records "
    "with a value) a second.",
    "P1q": "The same mapping, topics, client settings and audit, in Quix Streams with processing_guarantee="
    "exactly-once; its rows are compared with the union's, byte for byte.",
    "P2": "The same loop with an idempotent producer and no transaction: flush, then commit the offsets. "
    "At least 5,000 changes a transaction on average.",
    "P8": "Commits of the size of the writer's own (64 MB of JSON), through the handle that fences them, against "
    "pyarrow.parquet.write_table of the same Arrow tables with the same compression (zstd, level 1), a file for "
    "each; MiB of Arrow a second. In the end the table has every row, and the position after the last.",
    "P10": "One process over n and over 10 n changes, in turn.",
    "P11": "Resident memory of that process after its last commit.",
    "P12": "Changes flow at the rate that keeps the machine's cores half busy (input, brokers and union together; half "
    "of what the union sustains would allow no ratio above 2); the process is stopped (SIGSTOP) for "
    "60 s and continued, and changes keep flowing. Drain rate: changes a second from its first commit to the last.",
    "P13": "Under load, the process that supervisord runs is killed; until a read_committed consumer has the first "
    "record that was produced after the kill.",
    "P15": "Open loop: a change is written at each intended moment. From a read_committed reader of the raw topics "
    "having it to a read_committed reader of the unified topic having its row; exact percentiles over all changes.",
    "L1": "The product's merge (it reads the changes from the lake, finds the files with their keys, and replaces "
    "these) against DeltaTable.merge of the same changes, given as an Arrow table, into the same rows: 80 % updates "
    "and 10 % deletions of random keys, 10 % new ones. Both tables then hold the same rows.",
    "L2": "Lake(...).table(...).to_pandas(), from a new connection, against ParquetDataset(files).read().to_pandas() "
    "of the same files by their names, both with Arrow types and as the same read-only user.",
    "L3": "A process with the writer's buffer, limits, parsing and commits, fed from memory instead of Kafka, after "
    "1 and 10 million rows.",
    "L4": "CPU seconds of the same process, without its start, over 100,000 and over 10 million rows.",
    "L5": "1,000 commits of 1,000 changes on 30 days (a partition each), merged after every 20 as by the schedule, "
    "then one compaction and one cleaning; the largest number of live files of changes, current state and deletions.",
    "L6": "After each merge of L1: the twins, without personal columns, of the files that it wrote, and of those of "
    "the changes.",
}


def goals(benchmark: str) -> list[Goal]:
    """The goals of one benchmark."""
    return [each for each in GOALS if each.benchmark == benchmark]
