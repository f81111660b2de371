"""What all benchmarks share while they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.conditions import Listener, Noise
from benchmarks.ending import Processes, ended
from benchmarks.lab import Lab
from benchmarks.meter import Course, Meter
from benchmarks.verify import Verifier

SEED: Final = 20_260_101
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
    stall_seconds: float
    kills: int
    latency_seconds: float
    quick: bool = False


FULL: Final = Scale(rounds=15, changes=200_000, growth=10, growth_rounds=2, stall_seconds=60, kills=12,
                    latency_seconds=60)  # fmt: skip
QUICK: Final = Scale(rounds=3, changes=60_000, growth=5, growth_rounds=1, stall_seconds=10, kills=3,
                     latency_seconds=15, quick=True)  # fmt: skip


@dataclass
class Bench:
    """The lab, how much is measured, and who is told of it."""

    lab: Lab
    scale: Scale
    conditions: dict[str, Any]
    tell: Callable[[str], None] = lambda _: None
    noises: dict[str, Noise] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.meter = Meter(self.lab)
        self.verifier = Verifier(self.lab)

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """Something timed; the noise in it is kept under its name."""
        self.tell(name)
        listener = Listener()
        yield
        self.noises[name] = listener.noise()

    def run(self, name: str, start: Callable[[], Processes], records: int) -> Course:
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
        self.verifier.end(lab.written.changes_between(begin))
        return course

    def union(self, name: str, processes: int = 1, records: int | None = None) -> Course:
        """A timed, audited run of union processes."""
        return self.run(
            name, lambda: [self.lab.worker(slot) for slot in range(processes)], records or self.scale.changes
        )
