"""P15: the latency that the union adds at a fixed rate of changes."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final

from benchmarks.bench import SEED, Bench
from benchmarks.ending import ended
from benchmarks.result import Pairs, Result
from benchmarks.sighting import Sighting
from benchmarks.statistics import Estimate, percentile, percentile_estimate
from benchmarks.writer import Writer
from dropless.errors import NotReady

RATES: Final = (200, 50)
WARM_UP_SECONDS: Final = 5.0
LATE_SECONDS: Final = 60.0


def measure(bench: Bench, _wanted: Collection[str]) -> list[Result]:
    """Measure at each rate, after some seconds that do not count."""
    lab = bench.lab
    start = lab.raw_ends()
    lab.set_back(start)
    bench.verifier.begin(start)
    pairs = Pairs()
    figures: dict[str, Estimate] = {}
    absolute: dict[str, float] = {}
    writer = Writer(lab, SEED)
    with ended([lab.worker()]):
        raw, unified = Sighting(lab, start), Sighting(lab, lab.view.ends(lab.view.partitions([lab.unified])))
        raw.start()
        unified.start()
        for rate in RATES:
            bench.noises.clear()
            bench.tell(f"{rate} changes a second: warm-up")
            writer.write(rate, min(WARM_UP_SECONDS, bench.scale.latency_seconds))
            _settle(writer, raw, unified)
            before = set(writer.intended)
            name = f"{rate}/s"
            with bench.block(f"{rate} changes a second"):
                writer.write(rate, bench.scale.latency_seconds)
                _settle(writer, raw, unified)
            found = {record: at for record, at in writer.intended.items() if record not in before}
            added = [1000 * (unified.seen[record] - raw.seen[record]) for record in found]
            whole = [1000 * (unified.seen[record] - at) for record, at in found.items()]
            for label, share in (("p50", 0.50), ("p99", 0.99)):
                figures[f"{label} at {name}"] = percentile_estimate(added, share)
                absolute[f"{label} from the intended moment at {name}, ms"] = percentile(whole, share)
            absolute[f"largest at {name}, ms"] = max(added)
            absolute[f"changes at {name}"] = len(added)
            pairs.add({}, bench.noises)
        raw.finish()
        unified.finish()
    bench.verifier.end(len(writer.intended))
    setup = {"rates": RATES, "seconds": bench.scale.latency_seconds}
    return [bench.result("P15", figures, pairs, setup, absolute=absolute)]


def _settle(writer: Writer, raw: Sighting, unified: Sighting) -> None:
    deadline = time.monotonic() + LATE_SECONDS
    while unseen := writer.intended.keys() - (raw.seen.keys() & unified.seen.keys()):
        if time.monotonic() > deadline:
            raise NotReady(f"{len(unseen)} changes did not come out.")
        time.sleep(0.05)
