"""P1, P1q and P2: rounds in which the union and what it is compared with take turns.

The order turns round from one round to the next, so that drift falls on all alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from benchmarks import plain, quix, yardstick
from benchmarks.bench import Bench
from benchmarks.meter import Course
from benchmarks.result import Pairs, Result
from benchmarks.statistics import Estimate, median
from benchmarks.verify import Void

BENCHMARKS: Final = ("P1", "P1q", "P2")
UNION: Final = "union"
AGAIN: Final = "union again"
TWO: Final = "two processes"
QUIX: Final = "Quix Streams"
PLAIN: Final = "no transactions"
# Quix Streams needs several times as long for a change; its share of them keeps its time in proportion.
QUIX_SHARE: Final = 0.4
LEAST_IN_A_TRANSACTION: Final = 5_000

Step = tuple[str, Callable[[], None]]


def measure(bench: Bench, wanted: Collection[str]) -> list[Result]:
    """Measure the wanted ones in the same rounds."""
    rounds = _Rounds(bench, wanted)
    rounds.warm_up()
    for number in rounds.pairs.numbers(bench.scale.rounds):
        rounds.play(number)
    measured = {"P1": rounds.against_the_yardstick, "P1q": rounds.against_quix, "P2": rounds.against_no_transactions}
    return [measured[name]() for name in BENCHMARKS if name in wanted]


class _Rounds:
    """The blocks of each round, and what their values say in the end."""

    def __init__(self, bench: Bench, wanted: Collection[str]) -> None:
        self.pairs = Pairs()
        self._bench = bench
        self._values: dict[str, float] = {}
        self._steps: list[Step] = [(UNION, self._union)]
        if "P1" in wanted:
            self._steps += [("C", self._consume), (TWO, self._two), ("P", self._produce)]
        self._steps.append((AGAIN, self._again))
        if "P1q" in wanted:
            self._steps.append((QUIX, self._quix))
        if "P2" in wanted:
            self._steps.append((PLAIN, self._plain))

    def warm_up(self) -> None:
        """Warm brokers and page cache; compare Quix Streams' rows with the union's."""
        bench = self._bench
        bench.union("warm-up")
        if any(name == QUIX for name, _ in self._steps):
            ours = bench.digest(lambda: bench.union("rows of the union", records=self._quix_records))
            theirs = bench.digest(self._quix)
            if ours != theirs:
                raise Void(f"Quix Streams' {theirs[0]:,} rows are not the union's {ours[0]:,}: they are no pair.")

    def play(self, number: int) -> None:
        """One round."""
        self._values.clear()
        self._bench.noises.clear()
        for _, step in self._steps if number % 2 == 0 else reversed(self._steps):
            step()
        self.pairs.add(self._values, self._bench.noises)
        self._bench.lab.trim()

    # --- blocks ---

    def _union(self) -> None:
        self._note(UNION, self._bench.union(UNION))
        self._values[f"{UNION}, changes a transaction"] = self._bench.share * self._bench.records_a_batch

    def _again(self) -> None:
        self._note(AGAIN, self._bench.union(AGAIN))

    def _two(self) -> None:
        self._note(TWO, self._bench.union(TWO, 2))

    def _quix(self) -> None:
        bench = self._bench
        self._note(QUIX, bench.run(QUIX, lambda: [quix.start(bench.lab)], self._quix_records))

    def _plain(self) -> None:
        bench = self._bench
        self._note(PLAIN, bench.run(PLAIN, lambda: [plain.start(bench.lab)], bench.scale.changes))

    def _consume(self) -> None:
        with self._bench.block("C"):
            self._values["C"] = yardstick.consume(self._bench.lab, self._bench.scale.changes)

    def _produce(self) -> None:
        with self._bench.block("P"):
            self._values["P"] = yardstick.produce(self._bench.lab, self._bench.scale.changes)

    def _note(self, name: str, course: Course) -> None:
        share = self._bench.share
        self._values |= {
            name: share * course.rate,
            f"{name}, CPU-s a million": course.cpu / share,
            f"{name}, brokers' CPU-s a million": course.broker_cpu / share,
            f"{name}, resident MiB": course.resident / 2**20,
        }

    @property
    def _quix_records(self) -> int:
        return round(QUIX_SHARE * self._bench.scale.changes)

    # --- results ---

    def against_the_yardstick(self) -> Result:
        """P1."""
        both = zip(self.pairs.column("C"), self.pairs.column("P"), strict=True)
        relays = [yardstick.relay(consumed, produced) for consumed, produced in both]
        figures = {"one process": self._ratio(UNION, relays), "two processes": self._ratio(TWO, relays)}
        setup = {"jvm": yardstick.JVM, "producer of P": yardstick.producer_settings(self._bench.lab)}
        return self._result("P1", figures, setup, {"H": median(relays).value})

    def against_quix(self) -> Result:
        """P1q."""
        cpu = ", CPU-s a million"
        figures = {
            "throughput": self._ratio(UNION, self.pairs.column(QUIX)),
            "cpu": self._ratio(f"{UNION}{cpu}", self.pairs.column(f"{QUIX}{cpu}")),
        }
        return self._result("P1q", figures, quix.setup(self._quix_records))

    def against_no_transactions(self) -> Result:
        """P2."""
        size = median(self.pairs.column(f"{UNION}, changes a transaction")).value
        if size < LEAST_IN_A_TRANSACTION and not self._bench.scale.quick:
            raise Void(f"A transaction had {size:,.0f} changes; P2 is about {LEAST_IN_A_TRANSACTION:,} at least.")
        return self._result("P2", {"throughput": self._ratio(UNION, self.pairs.column(PLAIN))}, {})

    def _ratio(self, name: str, others: list[float]) -> Estimate:
        return median([ours / theirs for ours, theirs in zip(self.pairs.column(name), others, strict=True)])

    def _result(
        self,
        name: str,
        figures: dict[str, Estimate],
        setup: Mapping[str, object],
        absolute: dict[str, float] | None = None,
    ) -> Result:
        control = self._ratio(UNION, self.pairs.column(AGAIN))
        told = {"raw records a run": self._bench.scale.changes, **setup}
        return self._bench.result(name, figures, self.pairs, told, control=control, absolute=absolute)
