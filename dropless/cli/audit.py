"""`dropless audit`: every raw record came out exactly once and in order."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from dropless.contract import load_contracts
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from resources.audit import Report
from resources.audit import audit as run

FINDINGS = 3
SHOWN = 20


def audit(
    *,
    table: Annotated[str | None, typer.Option(help="One unified table; all of them otherwise.")] = None,
    full: Annotated[bool, typer.Option("--full", help="From the first offset, not from the last audit's end.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Tell findings once more, and then no more.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Counts and findings as JSON.")] = False,
) -> None:
    """Account for every committed raw record since the last sound audit; exit code 3 when something is wrong.

    Example: [bold]dropless audit --table orders --full[/]
    """
    settings = Settings.load()
    contracts = [declared(settings, table)] if table else load_contracts(settings.contracts)
    reports = []
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,} records"), TimeElapsedColumn())
    for contract in contracts:
        bookmark = settings.audit_bookmark(contract.name)
        if full:
            bookmark.unlink(missing_ok=True)
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(f"Auditing {contract.name}:", total=None)
            advance = partial(progress.advance, task)
            reports.append(run(Endpoints.load(settings), contract, bookmark, accept=accept, progress=advance))
    if as_json:
        sys.stdout.buffer.write(orjson.dumps([asdict(each) for each in reports], option=orjson.OPT_APPEND_NEWLINE))
    else:
        _show(reports)
    if any(report.findings for report in reports):
        raise typer.Exit(FINDINGS)


def _show(reports: list[Report]) -> None:
    console = Console(highlight=False)
    for report in reports:
        verdict = f"[bold red]{len(report.findings):,} findings[/]" if report.findings else "[green]nothing wrong[/]"
        console.print(
            f"[bold]{report.table}[/]: {report.records:,} raw records, {report.rows:,} rows, "
            f"{report.dead:,} dead letters in {report.seconds:.1f} s: {verdict}"
        )
        if report.compacted:
            console.print(f"Of {report.compacted:,} records compaction left a newer version only.")
        if report.unaudited:
            console.print(
                f"[yellow]{report.unaudited:,} offsets were deleted before any audit:[/] nothing is known of them."
            )
        if not report.findings:
            continue
        found = Table("finding", "raw record", "what", header_style="bold")
        for each in report.findings[:SHOWN]:
            found.add_row(
                each.anomaly, f"{each.topic}[{each.partition}]@{each.offset}".replace("[", r"\["), each.detail
            )
        console.print(found)
        if len(report.findings) > SHOWN:
            console.print(f"... and {len(report.findings) - SHOWN:,} more; --json lists them all.")
