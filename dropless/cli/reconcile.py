"""`dropless reconcile`: what the sources hold against what Pinot and the lake hold, while rows flow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from dropless.cli.as_json import AsJson, write_json
from dropless.contract import load_contracts
from dropless.declared import declared
from dropless.reconciliation.findings import Tier
from dropless.reconciliation.where import parse
from dropless.settings import Settings
from resources import reconciled
from resources.backfills import chosen
from resources.reconciled import Proof, Told
from resources.reconciliation import Limits, Step

FINDINGS = 3
SHOWN = 20


def reconcile(
    *,
    table: Annotated[str | None, typer.Option(help="One unified table; all of them otherwise.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="One of its sources; all of them otherwise.")] = None,
    tier: Annotated[Tier, typer.Option(help="Keys only, or every value.")] = Tier.FULL,
    where: Annotated[
        str | None,
        typer.Option(help="Only rows like these, such as \"status = 'paid' and placed_at >= '2026-01-01'\"."),
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Rows a second that are read of each source.", min=1)] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is found, and prove it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare every row of the sources with Pinot and the lake; exit code 3 when something differs twice.

    Example: [bold]dropless reconcile --table orders --tier full[/]
    """
    settings = Settings.load()
    contracts = [declared(settings, table)] if table else load_contracts(settings.contracts)
    conditions = {each.name: parse(each, where) for each in contracts} if where else {}
    told = []
    for contract in contracts:
        sources = chosen(contract, source or [])
        with _shown(contract.name) as show:
            rows = conditions.get(contract.name)
            found = reconciled.reconcile(
                settings, contract, sources, tier, Limits(rate=rate), where=rows, progress=show
            )
            if repair and not found.report.sound:
                proof = reconciled.repair(
                    settings, contract, sources, Limits(rate=rate), where=rows, progress=show, found=found.report
                )
                if not as_json:
                    _show(found)
                    _show_mended(proof)
                found = proof.after
        told.append(found)
        if not as_json:
            _show(found)
    if as_json:
        write_json([each.report for each in told])
    if not all(each.report.sound for each in told):
        raise typer.Exit(FINDINGS)


@contextmanager
def _shown(table: str) -> Iterator[Callable[[Step], None]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"Reconciling {table}", total=None, rows="")
        counted: Counter[str] = Counter()

        def show(step: Step) -> None:
            counted[step.what] += step.rows
            rows = f"{counted[step.what]:,} rows" if counted[step.what] else ""
            progress.update(task, description=step.what[:1].upper() + step.what[1:], rows=rows)

        yield show


def _show_mended(proof: Proof) -> None:
    console = Console(highlight=False)
    for each in proof.mended:
        console.print(f"Mended: {each.rows:,} {each.what}.")
    console.print("Reconciled again:")


def _show(told: Told) -> None:
    console, report = Console(highlight=False), told.report
    rows = sum(report.rows.values())
    among = f" where {escape(report.where)}" if report.where else ""
    for each in report.comparisons:
        counts = ", ".join(f"{number:,} {what}" for what, number in each.counts.items())
        more = f" and {each.more:,} more that differ" if each.more else ""
        verdict = "[green]equal[/]" if each.sound else f"[bold red]{counts}{more}[/]"
        unsettled = f" ({each.unsettled:,} rows changed at every look)" if each.unsettled else ""
        console.print(
            f"[bold]{report.table}[/]: {rows:,} rows of the sources{among} against {each.place}: {verdict}{unsettled}"
        )
    load = "; ".join(f"{name} {each.rows:,} rows in {each.seconds:.1f} s" for name, each in report.load.items())
    console.print(
        f"{report.tier} in {report.seconds:.1f} s, {len(report.fences)} fences, "
        f"{report.touched:,} rows changed meanwhile; read of the sources: {load}."
    )
    if report.refused:
        console.print(f"{len(report.refused):,} rows of the sources are dead letters: `dropless dead-letters list`.")
    if report.findings:
        found = Table("system", "row", "what", "values", header_style="bold")
        for finding in report.findings[:SHOWN]:
            found.add_row(finding.system, escape(finding.key), finding.what.value, escape(finding.detail))
        console.print(found)
        if len(report.findings) > SHOWN:
            console.print(f"... and {len(report.findings) - SHOWN:,} more; --json lists them all.")
    console.print(f"The page: {told.file}", soft_wrap=True)
