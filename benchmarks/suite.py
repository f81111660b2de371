"""All benchmarks, one after the other, on one Kafka with one prewritten input."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import added_latency, throughput
from benchmarks.bench import SEED, Bench, Scale
from benchmarks.conditions import conditions
from benchmarks.lab import EXAMPLE, Lab
from benchmarks.result import Result
from benchmarks.stack import own_kafka
from dropless.settings import Settings

Tell = Callable[[str], None]

_SINGLE: Final[dict[str, Callable[[Bench], Result]]] = {"P15": added_latency.measure}
KNOWN: Final = (*throughput.BENCHMARKS, *_SINGLE)


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
        folder = Path(after.enter_context(tempfile.TemporaryDirectory(prefix="dropless-bench-")))
        told = conditions(settings)
        lab = Lab(settings, folder, table)
        lab.make_topics()
        after.callback(lab.remove)
        rounds = [name for name in throughput.BENCHMARKS if name in wanted]
        if rounds:
            tell("writing the input")
            lab.write(SEED, scale.changes)
            yield from throughput.measure(Bench(lab, scale, told, tell), rounds)
        for name, measure in _SINGLE.items():
            if name in wanted:
                yield measure(Bench(lab, scale, told, partial(_under, tell, name)))


def _under(tell: Tell, name: str, what: str) -> None:
    tell(f"{name}: {what}")
