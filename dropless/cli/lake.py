"""`dropless lake`: see the lake's tables and take them away as files."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from dropless.cli import lake_upkeep
from dropless.cli.as_json import AsJson, write_json
from dropless.cli.interruptible import interruptible
from dropless.errors import DroplessError

if TYPE_CHECKING:
    from dropless.lake.information import TableInfo

_NEWEST = 10

lake = typer.Typer(no_args_is_help=True, help="The lake's tables: list them, pull them into files.")

AProfile = Annotated[str | None, typer.Option("--profile", help="A profile of ~/.config/dropless/lake.toml.")]
Personal = Annotated[bool, typer.Option("--personal", help="With personal columns, if the credentials may see them.")]


@lake.command()
def ls(*, profile: AProfile = None, personal: Personal = False, as_json: AsJson = False) -> None:
    """List the tables with their rows, bytes, and how new they are.

    Example: [bold]dropless lake ls[/]
    """
    from dropless.lake.client import Lake  # noqa: PLC0415 - the lake's libraries take a second to import

    told = Lake.connect(profile=profile, personal=personal or None).tables()
    if as_json:
        write_json([_line(each) for each in told])
        return
    table = Table(header_style="bold")
    for heading in ("table", "rows", "files", "size", "version", "newest change"):
        table.add_column(heading, justify="left" if heading == "table" else "right", no_wrap=True)
    table.add_column("what a row is", overflow="fold")
    for each in told:
        table.add_row(
            each.name,
            "?" if each.rows is None else f"{each.rows:,}",
            f"{each.files:,}",
            decimal(each.bytes),
            f"{each.version:,}",
            _age(each.fresh_until or each.newest_commit),
            escape(each.description),
        )
    console = Console()
    console.print(table if told else "The lake has no tables yet.")


@lake.command()
def describe(
    table: Annotated[str, typer.Argument(help="A table, such as orders.", show_default=False)],
    *,
    profile: AProfile = None,
    personal: Personal = False,
    as_json: AsJson = False,
) -> None:
    """What a table is, what each column means, its newest versions, and the link to the dictionary of all tables.

    Example: [bold]dropless lake describe orders[/]
    """
    from dropless.lake.client import Lake  # noqa: PLC0415 - the same
    from dropless.lake.information import information  # noqa: PLC0415

    connected = Lake.connect(profile=profile, personal=personal or None)
    found = connected.table(table)
    told, history, link = information(found), found.history(_NEWEST), connected.dictionary()
    if as_json:
        about = {"columns": [each._asdict() for each in found.describe()], "history": history, "dictionary": link}
        write_json(_line(told) | about)
        return
    console = Console(highlight=False)
    console.print(f"[bold]{escape(told.name)}[/]: {escape(told.description)}")
    rows = "" if told.rows is None else f"{told.rows:,} rows, "
    newest = _age(told.fresh_until or told.newest_commit)
    console.print(
        f"{rows}{decimal(told.bytes)} in {told.files:,} files, version {told.version}, newest change {newest}"
    )
    meaning = Table("column", "type", "meaning", header_style="bold")
    for column in found.describe():
        meaning.add_row(column.name, escape(column.type), escape(column.description))
    versions = Table("version", "when (UTC)", "what", "rows added", header_style="bold")
    for commit in history:
        added = "" if commit["rows"] is None else f"{commit['rows']:,}"
        when = f"{commit['timestamp']:%Y-%m-%d %H:%M:%S}"
        versions.add_row(f"{commit['version']:,}", when, escape(str(commit["operation"])), added)
    console.print(meaning, versions)
    if link is not None:
        # A line of its own, unbroken: it is to be opened.
        Console(soft_wrap=True, highlight=False).print(f"Dictionary (link good for 12 hours): {link}", markup=False)


@lake.command()
def pull(
    table: Annotated[str, typer.Argument(help="A table, such as orders or orders_changes.", show_default=False)],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="A .parquet, .csv or .arrow file.", show_default=False)],
    columns: Annotated[str | None, typer.Option(help="Only these columns, separated by commas.")] = None,
    where: Annotated[str | None, typer.Option(help="Only rows that fulfil this SQL condition.")] = None,
    as_of: Annotated[str | None, typer.Option(help="A moment (ISO 8601, UTC) or a version's number.")] = None,
    now: Annotated[bool, typer.Option("--now", help="With the changes that are not merged yet.")] = False,
    profile: AProfile = None,
    personal: Personal = False,
    as_json: AsJson = False,
) -> None:
    """Write a table, or a part of it, into a file.

    Example: [bold]dropless lake pull orders -o orders.parquet --where "placed_at >= '2026-01-01'"[/]
    """
    from dropless.lake.client import Lake  # noqa: PLC0415 - the same
    from dropless.lake.files import write  # noqa: PLC0415

    began = time.perf_counter()
    source = Lake.connect(profile=profile, personal=personal or None).table(table)
    if as_of is not None:
        if now:
            raise DroplessError("--now and --as-of exclude each other.")
        source = source.as_of(int(as_of) if as_of.isdigit() else as_of)
    elif now:
        source = source.now()
    chosen = [name.strip() for name in columns.split(",")] if columns else None
    result = source.select(chosen, where)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=as_json,
    )
    with interruptible(), progress:
        # A filter's or a current state's rows are known only when they are all there.
        total = None if where else source.rows_if_known()
        task = progress.add_task(f"pulling {table}", total=total)
        rows = write(result, out, lambda count: progress.advance(task, count))
        progress.update(task, total=rows, completed=rows)
    seconds = time.perf_counter() - began
    told = {
        "table": table,
        "version": source.version,
        "fresh_until": source.fresh_until,
        "rows": rows,
        "file": str(out),
        "bytes": out.stat().st_size,
        "seconds": round(seconds, 3),
    }
    if as_json:
        write_json(told)
    else:
        Console(soft_wrap=True, highlight=False).print(
            f"{rows:,} rows of {table} (version {source.version}, changes until {source.fresh_until}) in {out}: "
            f"{told['bytes']:,} bytes, {seconds:.1f} s"
        )


lake.command()(lake_upkeep.merge)
lake.command()(lake_upkeep.audit)
lake.command()(lake_upkeep.restore)


def _line(told: TableInfo) -> dict[str, Any]:
    found = told._asdict()
    return {"table": found.pop("name"), **found}


def _age(moment: datetime) -> str:
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit} ago"
    return f"{seconds:,.0f} s ago"
