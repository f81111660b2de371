"""`dropless dead-letters`: what could not be mapped, why, and another try."""

from __future__ import annotations

import heapq
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from dropless.contract import Contract, load_contracts
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.settings import Settings
from dropless.union.replay import DeadLetter
from resources.replay import dead_letters as read
from resources.replay import replay as run

app = typer.Typer(no_args_is_help=True, help="List, show and replay what could not be mapped.")

TABLE = Annotated[str | None, typer.Option(help="The unified table; needed where there are several.")]
JSON = Annotated[bool, typer.Option("--json", help="For machines.")]
_PLACE = re.compile(r"(\d+):(\d+)")


@app.command("list")
def list_(
    *,
    table: TABLE = None,
    limit: Annotated[int, typer.Option(help="How many of the newest to list.", min=1)] = 20,
    as_json: JSON = False,
) -> None:
    """Count dead letters by reason, and list the newest.

    Example: [bold]dropless dead-letters list --limit 5[/]
    """
    settings, contract = _contract(table)
    reasons: Counter[str] = Counter()

    def counted() -> Iterator[DeadLetter]:
        for letter in read(Endpoints.load(settings), contract.name):
            reasons[letter.reason] += 1
            yield letter

    newest = heapq.nlargest(limit, counted(), key=lambda each: each.timestamp_ms)
    if as_json:
        told = {"table": contract.name, "reasons": reasons, "newest": [_headers(each) for each in newest]}
        sys.stdout.buffer.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
        return
    console = Console(highlight=False)
    if not reasons:
        console.print(f"[green]{contract.name} has no dead letters.[/]")
        return
    summary = Table("count", "reason", header_style="bold")
    for reason, count in reasons.most_common():
        summary.add_row(f"{count:,}", escape(reason))
    console.print(summary)
    listed = Table("id", "when (UTC)", "source", "column", "raw record", header_style="bold")
    for each in newest:
        topic, partition, offset = each.origin
        place = f"{topic}[{partition}]@{offset}"
        when = f"{_when(each):%Y-%m-%d %H:%M:%S}"
        listed.add_row(f"{each.partition}:{each.offset}", when, each.source, each.column or "", escape(place))
    console.print(listed)
    console.print("[dim]dropless dead-letters show ID prints a record; replay tries all of them again.[/]")


@app.command()
def show(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `list` tells it, such as 0:17.")],
    *,
    table: TABLE = None,
) -> None:
    """Print one dead letter as JSON: its reason, origin, and the raw record's key and value.

    Example: [bold]dropless dead-letters show 0:17[/]
    """
    settings, contract = _contract(table)
    place = _PLACE.fullmatch(identity)
    if not place:
        raise DroplessError(
            f"{identity!r} is no dead letter's ID: it is PARTITION:OFFSET, as `dead-letters list` tells."
        )
    wanted = (int(place[1]), int(place[2]))
    for letter in read(Endpoints.load(settings), contract.name):
        if (letter.partition, letter.offset) == wanted:
            told = _headers(letter) | {"key": _content(letter.key), "value": _content(letter.value)}
            options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2
            sys.stdout.buffer.write(orjson.dumps(told, option=options))
            return
    raise DroplessError(f"{contract.name} has no dead letter {identity}: `dead-letters list` tells those there are.")


@app.command()
def replay(
    *,
    table: TABLE = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be written.")] = False,
    as_json: JSON = False,
) -> None:
    """Map all dead letters again, after the contract was mended, and write those that now have a row.

    A dead letter whose key has a newer version meanwhile stays dead: the newer version wins.

    Example: [bold]dropless dead-letters replay --dry-run[/]
    """
    settings, contract = _contract(table)
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("Replaying: {task.completed:,} records read"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        outcome = run(
            Endpoints.load(settings), contract, write=not dry_run, progress=lambda count: progress.advance(task, count)
        )
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(asdict(outcome), option=orjson.OPT_APPEND_NEWLINE))
        return
    verb = "would be replayed" if dry_run else "replayed"
    Console(highlight=False).print(
        f"[bold]{outcome.table}[/]: {outcome.replayed:,} {verb}, {outcome.superseded:,} have a newer version, "
        f"{outcome.earlier:,} were replayed before, {outcome.still_dead:,} still cannot be mapped."
    )


def _contract(table: str | None) -> tuple[Settings, Contract]:
    settings = Settings.load()
    if table:
        return settings, declared(settings, table)
    contracts = load_contracts(settings.contracts)
    if len(contracts) != 1:
        raise DroplessError(f"Say which table with --table: {', '.join(each.name for each in contracts)}.")
    return settings, contracts[0]


def _headers(letter: DeadLetter) -> dict[str, object]:
    topic, partition, offset = letter.origin
    return {
        "id": f"{letter.partition}:{letter.offset}",
        "reason": letter.reason,
        "column": letter.column,
        "source": letter.source,
        "when": _when(letter).isoformat(),
        "topic": topic,
        "partition": partition,
        "offset": offset,
    }


def _when(letter: DeadLetter) -> datetime:
    return datetime.fromtimestamp(letter.timestamp_ms / 1000, UTC)


def _content(raw: bytes | None) -> object:
    # What cannot be mapped need not be JSON, nor text.
    try:
        return orjson.loads(raw) if raw is not None else None
    except orjson.JSONDecodeError:
        return raw.decode(errors="backslashreplace") if raw is not None else None
