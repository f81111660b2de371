"""What all benchmarks share while they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx

from benchmarks.blocks import Blocks
from benchmarks.ending import Processes, ended
from benchmarks.lab import Lab, free_port
from benchmarks.meter import Course, Meter
from benchmarks.quix import digest
from benchmarks.result import Pairs, Result
from benchmarks.statistics import Estimate, median
from benchmarks.verify import Verifier
from dropless.settings import LOOPBACK

SEED: Final = 20_260_101
# A creation, an update, a deletion, and its tombstone.
CHANGES_A_RECORD: Final = 3 / 4
RUN_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    rounds: int
    changes: int
    """Raw records of one throughput run."""
    growth: int
    """How many times as many for the long run of P10 and P11."""
    growth_rounds: int
    stalls: int
    stall_seconds: float
    kills: int
    latency_seconds: float
    quick: bool = False


FULL: Final = Scale(rounds=12, changes=150_000, growth=10, growth_rounds=2, stalls=2, stall_seconds=60, kills=12,
                    latency_seconds=60)  # fmt: skip
QUICK: Final = Scale(rounds=3, changes=60_000, growth=5, growth_rounds=1, stalls=1, stall_seconds=10, kills=3,
                     latency_seconds=15, quick=True)  # fmt: skip


@dataclass
class Bench(Blocks):
    """The lab, how much is measured, and who is told of it."""

    lab: Lab
    scale: Scale
    conditions: dict[str, Any]
    records_a_batch: float = 0.0
    """Raw records in each transaction of the union process that ran last."""

    def __post_init__(self) -> None:
        self.meter = Meter(self.lab)
        self.verifier = Verifier(self.lab)

    @property
    def share(self) -> float:
        """Changes for each raw record: all but the tombstones."""
        return CHANGES_A_RECORD

    def result(
        self,
        benchmark: str,
        figures: dict[str, Estimate],
        pairs: Pairs,
        setup: dict[str, Any],
        *,
        control: Estimate | None = None,
        absolute: dict[str, float] | None = None,
    ) -> Result:
        """A benchmark's result with all that it was measured with; absolute values are medians unless given."""
        names = pairs.rounds[0]["values"] if pairs.rounds else {}
        return Result(
            benchmark,
            figures,
            pairs,
            audits=self.verifier.audits.as_json(),
            conditions=self.conditions,
            setup={
                "seed": SEED,
                "partitions": self.lab.contract.partitions,
                "changes a raw record": CHANGES_A_RECORD,
                **setup,
                "union": self.lab.client_settings(),
            },
            control=control,
            absolute={name: median(pairs.column(name)).value for name in names} | (absolute or {}),
            quick=self.scale.quick,
        )

    def void(self, benchmark: str, reason: str) -> Result:
        """A benchmark without a figure, and why."""
        return replace(self.result(benchmark, {}, Pairs(), {}), void=reason)

    def run(
        self, name: str, start: Callable[[], Processes], records: int, at_the_end: Callable[[], None] = lambda: None
    ) -> Course:
        """Let processes of the union's group work off the newest so many records, and audit what came out.

        Raises:
            Void: the audit found something.
        """
        lab = self.lab
        begin = lab.written.starts(records)
        lab.set_back(begin)
        self.verifier.begin(begin)
        with self.block(name), ended(start()) as processes:
            course = self.meter.follow(processes, begin, lab.written.ends, lab.written.between(begin), RUN_SECONDS)
            at_the_end()
        self.verifier.end(lab.written.changes_between(begin))
        return course

    def union(self, name: str, processes: int = 1, records: int | None = None) -> Course:
        """A timed, audited run of union processes."""
        ports = [free_port() for _ in range(processes)]

        def start() -> Processes:
            return [self.lab.worker(slot, "--status-port", str(port)) for slot, port in enumerate(ports)]

        def note() -> None:
            told = httpx.get(f"http://{LOOPBACK}:{ports[0]}/", trust_env=False).json()
            self.records_a_batch = told["rows_in"] / max(1, told["batches"])

        return self.run(name, start, records or self.scale.changes, note)

    def digest(self, run: Callable[[], object]) -> tuple[int, int]:
        """The digest of the rows that a run writes."""
        places = self.lab.view.partitions([self.lab.unified])
        before = self.lab.view.ends(places)
        run()
        after = self.lab.view.ends(places)
        return digest(self.lab, {place: (before[place], after[place]) for place in places})
