"""`dropless status`: how the installation is, in one look."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from dropless.cli.client_settings import client_rows, client_table, documents
from dropless.client_table import Row
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from resources.overview import Overview, TableState, overview

WATCH_SECONDS = 2.0
DIFFERS = 3


def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")] = False,
    clients: Annotated[
        bool, typer.Option("--clients", help="Show what each client and broker runs with, beside the durability table.")
    ] = False,
) -> None:
    """Tell how every system, process and table is; exit code 1 unless all are well, 3 when a client's settings differ.

    Freshness is how far Pinot may be behind the sources at most: while changes come, the age of the
    newest one that is visible; while none come, the age of the connector's last sign of life.

    Example: dropless status --json
    """
    settings = Settings.load()
    endpoints = Endpoints.load(settings)
    console = Console()
    if watch:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(_page(*_look(settings, endpoints, clients=clients)), refresh=True)
                time.sleep(WATCH_SECONDS)
    with console.status("Asking all systems"):
        seen, found = _look(settings, endpoints, clients=clients)
    if as_json:
        typer.echo(json.dumps(as_document(seen, found)))
    else:
        console.print(_page(seen, found))
    if not all(row.kept for row in found or ()):
        raise typer.Exit(DIFFERS)
    if not seen.healthy:
        raise typer.Exit(1)


def _look(settings: Settings, endpoints: Endpoints, *, clients: bool) -> tuple[Overview, list[Row] | None]:
    seen = overview(settings, endpoints)
    if not clients:
        return seen, None
    found, problems = client_rows(settings, endpoints, seen)
    return replace(seen, problems=[*seen.problems, *problems]), found


def as_document(seen: Overview, found: Sequence[Row] | None = None) -> dict[str, Any]:
    """An overview for machines: sizes in bytes, ages in seconds, lag and dead letters in records.

    With the rows of the durability table, all that our own clients run with is told, too.
    """
    document: dict[str, Any] = {
        "healthy": seen.healthy,
        "problems": list(seen.problems),
        "systems": {
            name: {"healthy": each.healthy, "nodes": each.nodes, "detail": each.detail}
            for name, each in seen.systems.items()
        },
        "processes": {
            each.name: {
                "system": each.system,
                "state": each.state,
                "pid": each.pid,
                "resident_bytes": each.resident_bytes,
                "log": each.log_file,
            }
            for each in seen.processes
        },
        "rows": {
            name: {"pinot": table.rows, "lake_changes": table.lake_changes} for name, table in seen.tables.items()
        },
        "freshness_seconds": {name: _rounded(table.freshness_seconds) for name, table in seen.tables.items()},
        "newest_visible_seconds": {name: _rounded(table.newest_visible_seconds) for name, table in seen.tables.items()},
        "lag": {name: dict(table.lag) for name, table in seen.tables.items()},
        "dead_letters": {
            name: table.dead_letters.count if table.dead_letters else None for name, table in seen.tables.items()
        },
        "resident_bytes": seen.resident_bytes,
    }
    if found is None:
        return document
    return document | {"clients": dict(seen.clients), "durability": documents(found)}


def _page(seen: Overview, found: Sequence[Row] | None) -> RenderableType:
    parts: list[RenderableType] = [_systems(seen), _tables(seen)]
    if found is not None:
        parts.append(client_table(found))
        parts += [f"[bold red]![/] {escape(row.client)}: {row.setting} differs" for row in found if not row.kept]
    parts += [
        f"The newest dead letter of {name}: {escape(table.dead_letters.newest_reason)}"
        for name, table in seen.tables.items()
        if table.dead_letters and table.dead_letters.newest_reason
    ]
    parts += [f"[bold red]![/] {escape(problem)}" for problem in seen.problems]
    # Of systems that run elsewhere no process is seen.
    memory = f"; {seen.resident_bytes / 2**30:.2f} GiB of memory in {len(seen.processes)} processes"
    said = "[bold green]All is well[/]" if seen.healthy else "Not all is well"
    parts.append(f"{said}{memory if seen.processes else ''}.")
    return Group(*parts)


def _systems(seen: Overview) -> Table:
    table = Table("system", "", "nodes", "", title="Systems", title_justify="left")
    for name, each in seen.systems.items():
        mark = "[green]up[/]" if each.healthy else "[bold red]down[/]"
        table.add_row(name, mark, str(each.nodes), escape(each.detail))
    return table


def _tables(seen: Overview) -> Table:
    table = Table(
        "table", "rows in Pinot", "changes in the lake", "freshness", "records to read", "dead letters",
        title="Tables", title_justify="left",
    )  # fmt: skip
    for name, each in seen.tables.items():
        rows = "?" if each.rows is None else "\n".join(f"{source} {count:,}" for source, count in each.rows.items())
        lag = "\n".join(f"{stage} {'?' if count is None else f'{count:,}'}" for stage, count in each.lag.items())
        changes = "?" if each.lake_changes is None else f"{each.lake_changes:,}"
        fresh = "?" if each.freshness_seconds is None else f"{each.freshness_seconds:.1f} s"
        table.add_row(name, rows or "0", changes, fresh, lag, _dead(each))
    return table


def _dead(table: TableState) -> str:
    found = table.dead_letters
    if found is None:
        return "?"
    return f"{found.count:,}" if found.counted else f"more than {found.count:,}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
