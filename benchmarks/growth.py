"""P10 and P11: what a change costs, and what memory a process has, after ten times as many."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from benchmarks.bench import Bench
from benchmarks.result import Pairs, Result
from benchmarks.statistics import Estimate, median

BENCHMARKS: Final = ("P10", "P11")


def measure(bench: Bench, wanted: Collection[str]) -> list[Result]:
    """One process over the newest n records and over all, in turn."""
    pairs = Pairs()
    small, large = bench.scale.changes, bench.scale.changes * bench.scale.growth
    for number in pairs.numbers(bench.scale.growth_rounds):
        values: dict[str, float] = {}
        bench.noises.clear()
        order = [("1x", small), ("grown", large)]
        for name, records in order if number % 2 == 0 else reversed(order):
            course = bench.union(name, records=records)
            values[f"CPU-s a million, {name}"] = course.cpu / bench.share
            values[f"resident MiB, {name}"] = course.resident / 2**20
        pairs.add(values, bench.noises)
        bench.lab.trim()

    def grown(name: str) -> Estimate:
        both = zip(pairs.column(f"{name}, grown"), pairs.column(f"{name}, 1x"), strict=True)
        return median([after / before for after, before in both])

    figures = {"P10": {"cpu": grown("CPU-s a million")}, "P11": {"memory": grown("resident MiB")}}
    setup = {"raw records, 1x": small, "raw records, grown": large}
    return [bench.result(name, figures[name], pairs, setup) for name in BENCHMARKS if name in wanted]
