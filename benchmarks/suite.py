"""All benchmarks, one after the other, on one Kafka with one prewritten input."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import added_latency, backlog, growth, quix, recovery, throughput, yardstick
from benchmarks.bench import SEED, Bench, Scale
from benchmarks.conditions import conditions
from benchmarks.lab import EXAMPLE, Lab
from benchmarks.result import Result
from benchmarks.stack import own_kafka
from dropless.errors import DroplessError
from dropless.settings import Settings

Tell = Callable[[str], None]

# What is measured together, in the order in which it is measured.
_GROUPS: Final[tuple[tuple[Sequence[str], Callable[[Bench, Collection[str]], list[Result]]], ...]] = (
    (throughput.BENCHMARKS, throughput.measure),
    (growth.BENCHMARKS, growth.measure),
    (("P12",), backlog.measure),
    (("P13",), recovery.measure),
    (("P15",), added_latency.measure),
)
KNOWN: Final = tuple(name for names, _ in _GROUPS for name in names)


def run(wanted: Collection[str], scale: Scale, tell: Tell, *, running: bool, table: str = EXAMPLE) -> Iterator[Result]:
    """Measure the wanted benchmarks; each result as soon as it is there.

    Args:
        wanted: Some of `KNOWN`.
        scale: How much is measured.
        tell: Told what is being done.
        running: Use the Kafka that the environment points to, instead of an own one.
        table: The unified table's name, which must be free there.
    """
    with ExitStack() as after:
        settings = Settings.load() if running else after.enter_context(own_kafka(tell))
        if "P1q" in wanted:
            tell("installing Quix Streams, if need be")
            quix.install(settings.cache)
        folder = Path(after.enter_context(tempfile.TemporaryDirectory(prefix="dropless-bench-")))
        told = conditions(settings)
        lab = Lab(settings, folder, table)
        lab.make_topics()
        after.callback(lab.remove)
        if {*throughput.BENCHMARKS, *growth.BENCHMARKS} & set(wanted):
            tell("writing the input")
            times = scale.growth if set(growth.BENCHMARKS) & set(wanted) else yardstick.LONGER
            lab.write(SEED, scale.changes * times)
        for names, measure in _GROUPS:
            mine = [name for name in names if name in wanted]
            if not mine:
                continue
            bench = Bench(lab, scale, told, partial(_under, tell, ", ".join(mine)))
            try:
                yield from measure(bench, mine)
            except DroplessError as error:
                # The others are measured nevertheless; these have no figure, and say why.
                yield from (bench.void(name, str(error)) for name in mine)


def _under(tell: Tell, name: str, what: str) -> None:
    tell(f"{name}: {what}")
