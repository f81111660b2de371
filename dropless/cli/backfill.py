"""`dropless backfill`: rows of the sources are read again while changes flow."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.table import Table

from dropless.backfill.signals import Note
from dropless.cli.backfill_shown import Shown
from dropless.cli.interruptible import interruptible
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.settings import Settings
from resources.backfill import Step
from resources.backfills import Backfills, chosen

CONTROLS: Final = {"pause": Note.PAUSED, "resume": Note.RESUMED, "stop": Note.STOPPING}
INTERRUPTED: Final = 130


def backfill(
    what: Annotated[str, typer.Argument(help="A unified table; or status, pause, resume or stop, and then the table.")],
    table: Annotated[str | None, typer.Argument(help="The table of a status, pause, resume or stop.")] = None,
    *,
    source: Annotated[list[str] | None, typer.Option(help="One source of it; may be repeated. Otherwise all.")] = None,
    where: Annotated[
        str | None, typer.Option(help="Only rows of this condition: SQL, or a MongoDB query as JSON.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Only the row of this key; may be repeated. Several parts: a JSON list.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="At most so many rows a second of each source.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What was done, or the state, as JSON.")] = False,
) -> None:
    """Have rows of the sources read again, as new versions of the same content, while changes flow.

    Ctrl-C ends it after the slice that is under way. From another terminal it can be paused, resumed and stopped;
    `resume` also goes on with one whose driver died.

    Example: [bold]dropless backfill orders --source store --where "created >= '2026-01-01'" --rate 500[/]

    Example: [bold]dropless backfill orders --source webshop --key '["w1", 4711]'[/]

    Example: [bold]dropless backfill pause orders[/]
    """
    settings = Settings.load()
    action = what if table is not None else None
    if action is not None and action not in {"status", *CONTROLS}:
        raise DroplessError(f"A backfill has no {action!r}: there are status, {', '.join(CONTROLS)}.")
    contract = declared(settings, table if table is not None else what)
    shown = Shown()
    backfills = Backfills(Endpoints.load(settings), contract, chosen(contract, source or []), settings.backfills, shown)
    if action == "status":
        _status(backfills, as_json=as_json)
    elif action is None:
        _drive(shown, lambda: backfills.run(where, key or [], rate), as_json=as_json)
    else:
        _tell(backfills, contract.name, CONTROLS[action])
        if action == "resume":
            _drive(shown, backfills.go_on, as_json=as_json)


def _drive(shown: Shown, run: Callable[[], list[Step]], *, as_json: bool) -> None:
    begun = time.monotonic()
    interrupted = False
    try:
        with shown.bars, interruptible():
            steps = run()
    except KeyboardInterrupt:
        interrupted, steps = True, list(shown.steps.values())
    seconds = time.monotonic() - begun
    if as_json:
        told = [asdict(step) | {"seconds": round(seconds, 3)} for step in steps]
        sys.stdout.buffer.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for step in steps:
            again = f"; {step.again} slices twice, for a worker was restarted in them" if step.again else ""
            rows = f"{step.done:,} of {step.rows:,} rows in {seconds:.1f} s"
            console.print(f"{step.source}: {step.note.value}, {rows}{again}.")
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def _tell(backfills: Backfills, table: str, what: Note) -> None:
    under_way = [each for each in backfills.each if (state := each.state()) and not state.ended]
    if not under_way:
        raise DroplessError(f"No backfill of {table!r} is under way.")
    for each in under_way:
        # One that nobody drives is resumed by going on with it.
        if what is not Note.RESUMED or each.driven():
            each.tell(what)


def _status(backfills: Backfills, *, as_json: bool) -> None:
    told = []
    for each in backfills.each:
        found = each.state()
        plan = found.plan if found else None
        told.append(
            {
                "source": each.source,
                "state": found.note.value if found else "none",
                "done": found.done if found else 0,
                "rows": plan.rows if plan else 0,
                "part": found.part if found else 0.0,
                "rate": plan.rate if plan else None,
                "where": plan.selection.where if plan else None,
                "driven": each.driven(),
            }
        )
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
        return
    shown = Table("source", "state", "rows", "part", "driven", header_style="bold")
    for line in told:
        rows, part = f"{line['done']:,} of {line['rows']:,}", f"{line['part']:.0%}"
        shown.add_row(str(line["source"]), str(line["state"]), rows, part, "yes" if line["driven"] else "no")
    Console(highlight=False).print(shown)
