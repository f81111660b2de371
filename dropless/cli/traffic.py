"""`dropless traffic`: changes into the example's sources."""

from __future__ import annotations

import json
import threading
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dropless.endpoints import Endpoints
from dropless.example.orders import Kind
from dropless.example.traffic import Load, Summary, Traffic, parse_sources
from dropless.settings import Settings


def traffic(
    *,
    rate: Annotated[float, typer.Option(help="Changes a second over all sources; 0 is as fast as they go.")] = 50.0,
    seconds: Annotated[float, typer.Option(help="How long.")] = 60.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same sequence of changes.")] = 1,
    sources: Annotated[str, typer.Option(help="Which sources, separated by commas.")] = "store,webshop,marketplace",
    bad_rate: Annotated[float, typer.Option(help="The share of rows that the union must refuse, 0 to 1.")] = 0.0,
    odd: Annotated[bool, typer.Option("--odd", help="At times values at the edges of their types.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary for machines.")] = False,
) -> None:
    """Play realistic lives of orders into the example's sources.

    Orders are placed, paid, shipped, delivered, amended, cancelled, removed, restored and given new
    keys, alone and several in one transaction. Ctrl-C ends it after the transactions in flight.

    Example: dropless traffic --rate 200 --seconds 30 --seed 7
    """
    load = Load(rate, seconds, seed, parse_sources(sources), bad_rate, odd)
    run = Traffic(Endpoints.local(Settings.load()), load)
    console = Console(stderr=True)
    with Progress(
        TextColumn("changes"), BarColumn(), TextColumn("{task.fields[detail]}"), TimeElapsedColumn(), console=console
    ) as progress:
        task = progress.add_task("changes", total=rate * seconds or None, detail="")
        done = threading.Event()

        def show() -> None:
            while not done.wait(0.25):
                elapsed = progress.tasks[0].elapsed or 1.0
                changes = run.summary.changes
                progress.update(task, completed=changes, detail=f"{changes:,} ({changes / elapsed:,.0f} a second)")

        display = threading.Thread(target=show, daemon=True)
        display.start()
        try:
            run.run()
        except KeyboardInterrupt:
            console.print("Stopped.")
        finally:
            done.set()
            display.join()
            progress.update(task, completed=run.summary.changes, detail=f"{run.summary.changes:,}")
    if as_json:
        typer.echo(json.dumps(run.summary.as_json()))
    else:
        Console().print(_table(run.summary))


def _table(summary: Summary) -> Table:
    title = f"{summary.changes:,} changes in {summary.seconds:.1f} s: {summary.rate:,.0f} a second"
    table = Table(title=title, caption=f"At most {summary.late_seconds * 1000:,.0f} ms behind the schedule.")
    table.add_column("")
    for source in summary.counts:
        table.add_column(source, justify="right")
    for kind in Kind:
        counts = [counter[kind.value] for counter in summary.counts.values()]
        if any(counts):
            table.add_row(kind.value, *(f"{count:,}" for count in counts))
    return table
