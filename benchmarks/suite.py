"""All benchmarks, one after the other: the union's on one Kafka with one prewritten input, the lake's on one MinIO."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from benchmarks import added_latency, backlog, bench, growth, quix, recovery, throughput, yardstick
from benchmarks.bench import SEED, Bench
from benchmarks.conditions import of_the_lake, of_the_union
from benchmarks.lab import EXAMPLE, Lab
from benchmarks.lake import bench as lake_bench
from benchmarks.lake import growing, merging, pulling, tidying, writing
from benchmarks.lake.bench import LakeBench
from benchmarks.result import Result
from benchmarks.stack import own_kafka, own_minio
from dropless.errors import DroplessError
from dropless.settings import Settings

Tell = Callable[[str], None]
Made = TypeVar("Made", Bench, LakeBench)

# What is measured together, in the order in which it is measured.
_UNION: Final[tuple[tuple[Sequence[str], Callable[[Bench, Collection[str]], list[Result]]], ...]] = (
    (throughput.BENCHMARKS, throughput.measure),
    (growth.BENCHMARKS, growth.measure),
    (("P12",), backlog.measure),
    (("P13",), recovery.measure),
    (("P15",), added_latency.measure),
)
_LAKE: Final[tuple[tuple[Sequence[str], Callable[[LakeBench, Collection[str]], list[Result]]], ...]] = (
    (("P8",), writing.measure),
    (merging.BENCHMARKS, merging.measure),
    (("L2",), pulling.measure),
    (growing.BENCHMARKS, growing.measure),
    (("L5",), tidying.measure),
)
KNOWN: Final = tuple(name for names, _ in (*_UNION, *_LAKE) for name in names)


def run(wanted: Collection[str], tell: Tell, *, quick: bool, running: bool) -> Iterator[Result]:
    """Measure the wanted benchmarks; each result as soon as it is there.

    Args:
        wanted: Some of `KNOWN`.
        tell: Told what is being done.
        quick: Roughly.
        running: Use the servers that the environment points to, instead of own ones.
    """
    if any(name in wanted for names, _ in _UNION for name in names):
        yield from _union(wanted, tell, quick=quick, running=running)
    if any(name in wanted for names, _ in _LAKE for name in names):
        yield from _lake(wanted, tell, quick=quick, running=running)


def _union(wanted: Collection[str], tell: Tell, *, quick: bool, running: bool) -> Iterator[Result]:
    scale = bench.QUICK if quick else bench.FULL
    with ExitStack() as after:
        settings = Settings.load() if running else after.enter_context(own_kafka(tell))
        if "P1q" in wanted:
            tell("installing Quix Streams, if need be")
            quix.install(settings.cache)
        folder = Path(after.enter_context(tempfile.TemporaryDirectory(prefix="dropless-bench-")))
        told = of_the_union(settings)
        lab = Lab(settings, folder, EXAMPLE)
        lab.make_topics()
        after.callback(lab.remove)
        if {*throughput.BENCHMARKS, *growth.BENCHMARKS} & set(wanted):
            tell("writing the input")
            times = scale.growth if set(growth.BENCHMARKS) & set(wanted) else yardstick.LONGER
            lab.write(SEED, scale.changes * times)
        for names, measure in _UNION:
            if mine := [name for name in names if name in wanted]:
                made = Bench(lab, scale, told, tell=partial(_under, tell, ", ".join(mine)))
                yield from _measured(made, mine, measure)


def _lake(wanted: Collection[str], tell: Tell, *, quick: bool, running: bool) -> Iterator[Result]:
    with ExitStack() as after:
        settings = Settings.load() if running else after.enter_context(own_minio(tell))
        scale = lake_bench.QUICK if quick else lake_bench.FULL
        made = LakeBench(settings, scale, of_the_lake(settings))
        after.callback(made.remove)
        for names, measure in _LAKE:
            if mine := [name for name in names if name in wanted]:
                made.tell = partial(_under, tell, ", ".join(mine))
                yield from _measured(made, mine, measure)


def _measured(
    made: Made, mine: Sequence[str], measure: Callable[[Made, Collection[str]], list[Result]]
) -> list[Result]:
    try:
        return measure(made, mine)
    except DroplessError as error:
        # The others are measured nevertheless; these have no figure, and say why.
        return [made.void(name, str(error)) for name in mine]


def _under(tell: Tell, name: str, what: str) -> None:
    tell(f"{name}: {what}")
