"""P1, P1q and P2: rounds in which the union and what it is compared with take turns.

The order turns round from one round to the next, so that drift falls on all alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from benchmarks import yardstick
from benchmarks.bench import SEED, Bench
from benchmarks.result import Pairs, Result
from benchmarks.statistics import Estimate, median

UNION: Final = "union"
AGAIN: Final = "union again"
TWO: Final = "two processes"
BENCHMARKS: Final = ("P1",)
# Of the first two rounds' worth of changes brokers and page cache are warm.
WARM_UP_RUNS: Final = 1


def measure(bench: Bench, wanted: Collection[str]) -> list[Result]:
    """Measure the wanted ones of P1, P1q and P2 in the same rounds."""
    values: dict[str, float] = {}
    steps = _steps(bench, wanted, values)
    for _ in range(WARM_UP_RUNS):
        bench.union("warm-up")
    pairs = {name: Pairs() for name in BENCHMARKS if name in wanted}
    for number in range(bench.scale.rounds):
        values.clear()
        bench.noises.clear()
        for name, step in steps if number % 2 == 0 else reversed(steps):
            bench.tell(f"round {number + 1} of {bench.scale.rounds}: {name}")
            step()
        for found in pairs.values():
            found.add(values, bench.noises)
        bench.lab.trim()
    return [_RESULTS[name](bench, found) for name, found in pairs.items()]


def _steps(bench: Bench, wanted: Collection[str], values: dict[str, float]) -> list[tuple[str, Callable[[], None]]]:
    share = bench.lab.written.changes / bench.lab.written.records

    def union(name: str, processes: int = 1) -> None:
        course = bench.union(name, processes)
        values[name] = share * course.rate
        values[f"{name}, CPU-s a million"] = course.cpu / share
        values[f"{name}, brokers' CPU-s a million"] = course.broker_cpu / share
        values[f"{name}, resident MiB"] = course.resident / 2**20

    def consume() -> None:
        with bench.block("C"):
            values["C"] = yardstick.consume(bench.lab, bench.scale.changes)

    def produce() -> None:
        with bench.block("P"):
            values["P"] = yardstick.produce(bench.lab, bench.scale.changes)

    steps: list[tuple[str, Callable[[], None]]] = [(UNION, lambda: union(UNION)), (AGAIN, lambda: union(AGAIN))]
    if "P1" in wanted:
        steps += [("C", consume), ("P", produce), (TWO, lambda: union(TWO, 2))]
    return steps


def _control(pairs: Pairs) -> Estimate:
    """A/A: the union against itself."""
    return median([a / b for a, b in zip(pairs.column(UNION), pairs.column(AGAIN), strict=True)])


def _against_the_yardstick(bench: Bench, pairs: Pairs) -> Result:
    relays = [yardstick.relay(c, p) for c, p in zip(pairs.column("C"), pairs.column("P"), strict=True)]

    def ratio(name: str) -> Estimate:
        return median([rate / relay for rate, relay in zip(pairs.column(name), relays, strict=True)])

    return Result(
        "P1",
        {"one process": ratio(UNION), "two processes": ratio(TWO)},
        pairs,
        bench.verifier.audits.as_json(),
        bench.conditions,
        setup(bench) | {"jvm": yardstick.JVM, "producer of P": yardstick.producer_settings(bench.lab)},
        _control(pairs),
        {
            "H, changes a second": median(relays).value,
            **{name: median(pairs.column(name)).value for name in pairs.rounds[0]["values"]},
        },
        bench.scale.quick,
    )


def setup(bench: Bench) -> dict[str, Any]:
    """What was measured with."""
    return {
        "seed": SEED,
        "raw records a run": bench.scale.changes,
        "changes a raw record": round(bench.lab.written.changes / bench.lab.written.records, 4),
        "partitions": bench.lab.contract.partitions,
        "union": bench.lab.client_settings(),
    }


_RESULTS: Final[dict[str, Callable[[Bench, Pairs], Result]]] = {"P1": _against_the_yardstick}
