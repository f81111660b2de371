"""`dropless query`: SQL on the unified tables in Pinot."""

from __future__ import annotations

import csv
import re
import sys
import time
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Recovering
from dropless.pinot import Answer, select
from dropless.settings import Settings

UNLIMITED_ROWS = 10
"""What Pinot gives when a query says nothing."""


def query(
    sql: Annotated[str, typer.Argument(help="A SELECT in Pinot's SQL.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Columns, rows and time as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds until giving up.", min=0.1)] = 10.0,
) -> None:
    """Ask Pinot; only a whole answer counts.

    Example: [bold]dropless query "select _source, count(*) from orders where _deleted = false group by _source"[/]
    """
    if as_json and as_csv:
        raise DroplessError("Choose one of --json and --csv.")
    began = time.perf_counter()
    endpoints = Endpoints.load(Settings.load())
    # A server that starts or stops is back, or replaced by another replica, within seconds.
    patiently = Retrying(
        retry=retry_if_exception_type(Recovering), stop=stop_after_delay(timeout), wait=wait_fixed(0.2), reraise=True
    )
    answer = patiently(select, endpoints, sql, timeout)
    milliseconds = 1000 * (time.perf_counter() - began)
    if as_json:
        told = {"columns": answer.columns, "rows": answer.rows, "milliseconds": round(milliseconds, 1)}
        sys.stdout.buffer.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
    else:
        _show(answer, milliseconds)
    if len(answer.rows) == UNLIMITED_ROWS and not re.search(r"\blimit\b", sql, re.IGNORECASE):
        hint = "[yellow]Pinot gives ten rows when a query has no LIMIT: there may be more.[/]"
        Console(stderr=True, soft_wrap=True).print(hint)


def _show(answer: Answer, milliseconds: float) -> None:
    table = Table(header_style="bold")
    numbers = [all(isinstance(row[place], int | float) for row in answer.rows) for place in range(len(answer.columns))]
    for name, number in zip(answer.columns, numbers, strict=True):
        table.add_column(name, justify="right" if number and answer.rows else "left", overflow="fold")
    for row in answer.rows:
        table.add_row(*("[dim]null[/]" if value is None else _text(value) for value in row))
    console = Console()
    console.print(table)
    rows = "row" if len(answer.rows) == 1 else "rows"
    console.print(f"[dim]{len(answer.rows):,} {rows} in {milliseconds:.0f} ms[/]")


def _text(value: object) -> str:
    # Rows hold other people's text: none of it is markup.
    return str(value).replace("[", r"\[")
