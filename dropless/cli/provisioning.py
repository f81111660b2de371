"""`dropless plan` and `dropless apply`: what differs from the contracts, and making it right."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from dropless import desired
from dropless.cli.changes import end, show
from dropless.cli.interruptible import interruptible
from dropless.contract import load_contracts
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.plan import Resource
from dropless.settings import Settings
from resources.adapter import Adapter
from resources.installed import known, processes
from resources.provisioning import Survey, held, provision, select, survey
from resources.source_columns import Unknown, unknown_columns
from resources.topic_admin import MOVE_BYTES_PER_SECOND

MOVE_MEGABYTES = MOVE_BYTES_PER_SECOND // 1_000_000

Only = Annotated[str | None, typer.Option(help="One kind, or one thing: topic, or topic:unified.orders.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the plan for machines.")]
Destructive = Annotated[
    bool, typer.Option("--allow-destructive", help="Also what loses something; the plan says what would be lost.")
]
Resume = Annotated[bool, typer.Option(help="Also have connectors run on that somebody paused or stopped.")]
MoveRate = Annotated[int, typer.Option(min=1, help="MB a second that a broker may spend on moving replicas.")]


def plan(*, only: Only = None, as_json: AsJson = False, allow_destructive: Destructive = False) -> None:
    """Show what differs from the contracts, property by property; change nothing.

    A connector that somebody paused or stopped is no difference; it is told.

    Exits with 0 if nothing differs, with 3 if something does, with 1 if something cannot be looked at or a
    change would be refused.

    Example: dropless plan --json
    """
    resources, adapters = _everything(only)
    with _progress() as status:
        found = survey(resources, adapters, status.update)
        unknown = [] if only else _unknown_columns()
    show(found, as_json=as_json, unknown=unknown)
    end(found, allow_destructive=allow_destructive)


def apply(
    *,
    only: Only = None,
    as_json: AsJson = False,
    allow_destructive: Destructive = False,
    resume: Resume = False,
    move_rate: MoveRate = MOVE_MEGABYTES,
) -> None:
    """Make everything as the contracts say, and wait until it works; doing it twice is doing it once.

    A connector that somebody paused or stopped stays so without --resume.

    Example: dropless apply --only connector:orders.store
    """
    resources, adapters = _everything(only, move_rate)
    resources = [desired.running(each) for each in resources] if resume else resources
    with interruptible(), _progress() as status:
        changes = provision(resources, adapters, status.update, allow_destructive=allow_destructive)
        left = held(resources, adapters)
    show(Survey(changes, {}, {}, left), as_json=as_json)
    if not as_json and not changes.empty:
        Console().print("[green]Applied, and seen working.[/]")


def _unknown_columns() -> list[Unknown]:
    settings = Settings.load()
    found = []
    for contract in load_contracts(settings.contracts):
        # A source that does not answer, or lacks its table, is told already.
        with suppress(DroplessError):
            found += unknown_columns(Endpoints.load(settings), contract)
    return found


def _everything(only: str | None, move_megabytes: int = MOVE_MEGABYTES) -> tuple[list[Resource], dict[str, Adapter]]:
    settings = Settings.load()
    endpoints = Endpoints.load(settings)
    resources = [*processes(settings), *desired.everything(load_contracts(settings.contracts), endpoints)]
    return select(resources, only), known(settings, endpoints, move_megabytes * 1_000_000)


def _progress() -> Status:
    return Console(stderr=True).status("looking")
