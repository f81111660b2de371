"""How long a change takes from its source's commit to Pinot and to the lake, stage by stage.

Open loop: changes are meant to happen at fixed times, whether or not the system keeps up, and a late
one counts from the time at which it was meant. Ends in the check that source, Pinot and lake are equal;
without it the figures are void.

    .venv/bin/python -m benchmarks.latency --seconds 60

A stage ends when a reader has the record in hand: a consumer of committed records for the topics, the answer
to a query for Pinot, the Delta log for the lake. So Pinot's and the lake's figures include up to one polling
period, which is told beside them. A removal leaves no time of change in the source: it counts from the raw
topic on.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import quantiles
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.passage import Commits, Probe, Trace, traces
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.example.agreement import wait_for_agreement
from dropless.example.traffic import Load, Traffic
from dropless.settings import Settings

TABLE: Final = "orders"
SETTLE_SECONDS: Final = 30.0
AGREE_SECONDS: Final = 10.0

# Stage -> the moments of a change between which it lies.
STAGES: Final = {
    "intended -> commit": ("intended", "committed"),
    "commit -> raw topic": ("committed", "raw"),
    "raw -> unified topic": ("raw", "unified"),
    "unified topic -> Pinot": ("unified", "pinot"),
    "unified topic -> lake": ("unified", "lake"),
    "commit -> Pinot": ("committed", "pinot"),
    "intended -> Pinot": ("intended", "pinot"),
    "intended -> lake": ("intended", "lake"),
}


def figures(found: list[Trace]) -> dict[str, dict[str, float]]:
    """Per stage the number of changes, p50, p99 and maximum, in milliseconds."""
    result = {}
    for stage, (begin, end) in STAGES.items():
        spans = [
            1000 * (getattr(trace, end) - getattr(trace, begin))
            for trace in found
            if getattr(trace, begin) is not None and getattr(trace, end) is not None
        ]
        if len(spans) > 1:
            cuts = quantiles(spans, n=100, method="inclusive")
            result[stage] = {"changes": len(spans), "p50": cuts[49], "p99": cuts[98], "max": max(spans)}
    return result


def main(
    *,
    seconds: Annotated[float, typer.Option(help="How long.")] = 60.0,
    rate: Annotated[float, typer.Option(help="Changes a second over all sources.")] = 50.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same changes.")] = 1,
    warm_up: Annotated[float, typer.Option(help="Seconds of the same traffic before, not measured.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures for machines.")] = False,
) -> None:
    """Measure latency per stage at a fixed rate of changes."""
    settings = Settings.load()
    endpoints = Endpoints.local(settings)
    contract = declared(settings, TABLE)
    console = Console(stderr=True)
    commits = Commits()
    with console.status(f"Warming up for {warm_up:g} s"):
        Traffic(endpoints, Load(rate, warm_up, seed + 1)).run()
    with console.status(f"{rate:g} changes a second for {seconds:g} s"):
        probe = Probe(endpoints, contract)
        watchers = probe.start()
        summary = Traffic(endpoints, Load(rate, seconds, seed), commits.note).run()
        _settle(probe)
        for watcher in watchers:
            watcher.finish()
    with console.status("Checking that source, Pinot and lake are equal"):
        agreement = wait_for_agreement(endpoints, contract, AGREE_SECONDS)
    found = traces(probe, commits)
    result = figures(found)
    unseen = sum(trace.pinot is None or trace.lake is None for trace in found)
    periods = {
        "pinot": 1000 * sum(watchers[2].looks) / max(1, len(watchers[2].looks)),
        "lake": 1000 * sum(watchers[3].looks) / max(1, len(watchers[3].looks)),
    }
    if as_json:
        document = {
            "rate": rate, "seconds": seconds, "seed": seed, "changes": summary.changes, "stages_ms": result,
            "polling_period_ms": periods, "unseen": unseen, "equal": agreement.reached,
        }  # fmt: skip
        typer.echo(json.dumps(document))
    else:
        Console().print(_table(result, f"{summary.changes:,} changes at {rate:g} a second", periods))
    console.print(str(agreement), markup=False)
    if not agreement.reached or unseen:
        raise DroplessError(f"The figures are void: {unseen} changes were not seen everywhere, or not all is equal.")


def _settle(probe: Probe) -> None:
    """Wait until the lake, the slowest, has the newest unified record."""
    deadline = time.monotonic() + SETTLE_SECONDS
    quiet = 0.0
    while time.monotonic() < deadline and quiet < 2.0:
        before = len(probe.unified)
        time.sleep(0.5)
        places = [place for _, _, place in list(probe.unified.values())]
        positions = probe.lake[-1][1] if probe.lake else {}
        done = len(places) == before and all(positions.get(partition, 0) > offset for partition, offset in places)
        quiet = quiet + 0.5 if done else 0.0


def _table(result: dict[str, dict[str, float]], title: str, periods: dict[str, float]) -> Table:
    caption = f"Milliseconds. Pinot was asked every {periods['pinot']:.0f} ms, the lake every {periods['lake']:.0f} ms."
    table = Table("stage", title=title, caption=caption)
    for name in ("changes", "p50", "p99", "max"):
        table.add_column(name, justify="right")
    for stage, figure in result.items():
        table.add_row(stage, *(f"{figure[name]:,.0f}" for name in ("changes", "p50", "p99", "max")))
    return table


if __name__ == "__main__":
    try:
        typer.run(main)
    except DroplessError as error:
        sys.exit(f"Error: {error}")
