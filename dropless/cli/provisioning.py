"""`dropless plan` and `dropless apply`: what differs from the contracts, and making it right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text
from rich.tree import Tree

from dropless import desired
from dropless.cli.interruptible import interruptible
from dropless.contract import load_contracts
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unsafe
from dropless.plan import Action, Change, Json, PropertyChange, Resource
from dropless.settings import Settings
from resources.adapter import Adapter
from resources.installed import known, processes
from resources.pinot_changes import note
from resources.provisioning import Survey, held, provision, select, survey
from resources.source_columns import Unknown, unknown_columns
from resources.topic_admin import MOVE_BYTES_PER_SECOND

DRIFT = 3
# Longer values, such as a whole list of columns, are cut on a terminal; `--json` has them whole.
WIDTH = 100
RESUME = "`dropless apply --resume` has it run on."
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
    allowed = Unsafe if allow_destructive else ()
    if found.unseen or any(not isinstance(error, allowed) for error in found.refused.values()):
        raise typer.Exit(1)
    if not found.plan.empty:
        raise typer.Exit(DRIFT)


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


def show(found: Survey, *, as_json: bool, unknown: Sequence[Unknown] = ()) -> None:
    """Print what differs, as JSON or grouped by system, and what the contracts do not know."""
    if as_json:
        notices: list[dict[str, Json]] = [
            {"action": "notice", "kind": "source_column", "policy": each.policy, "reason": str(each)}
            for each in unknown
        ]
        typer.echo(json.dumps(machine_readable(found) + notices, indent=2, default=dict))
        return
    console = Console(highlight=False)
    for tree in trees(found):
        console.print(tree)
    for kind, error in found.unseen.items():
        console.print(Text(f"? {kind}: {error}", style="bold red"), soft_wrap=True)
    for each in unknown:
        console.print(Text(f"! {each}", style="yellow"), soft_wrap=True)
    for name, how in found.held.items():
        console.print(Text(f"= {name}: {how}, so it stays. {RESUME}", style="magenta"), soft_wrap=True)
    if not found.plan.empty:
        console.print(_summary(found))
    elif not found.unseen:
        console.print("[green]Nothing to do:[/] everything is as the contracts say.")


def machine_readable(found: Survey) -> list[dict[str, Json]]:
    """One object per change; with the action `unknown` one per kind that could not be looked at.

    With the action `held` one per thing that somebody holds back.
    """
    changes = [
        each
        | {
            "refused": str(error) if error else None,
            "destructive": isinstance(error, Unsafe),
            "note": note(change),
        }
        for each, change in zip(found.plan.as_json(), found.plan.changes, strict=True)
        for error in [found.refused.get(f"{each['kind']}:{each['name']}")]
    ]
    unseen: list[dict[str, Json]] = [
        {"action": "unknown", "kind": kind, "reason": str(error)} for kind, error in found.unseen.items()
    ]
    kept: list[dict[str, Json]] = [
        {"action": "held", "kind": kind, "name": name, "reason": how}
        for each, how in found.held.items()
        for kind, _, name in [each.partition(":")]
    ]
    return changes + unseen + kept


def trees(found: Survey) -> list[Tree]:
    """One tree per system, in the order of the plan."""
    systems: dict[str, Tree] = {}
    for change in found.plan.changes:
        tree = systems.setdefault(change.desired.system, Tree(Text(change.desired.system, style="bold")))
        sign, colour = ("+", "green") if change.action is Action.CREATE else ("~", "yellow")
        branch = tree.add(Text(f"{sign} {change.desired.kind} {change.desired.name}", style=colour))
        for entry in _lines(change):
            branch.add(entry)
        if told := note(change):
            branch.add(Text(told, style="yellow"))
        if error := found.refused.get(change.desired.id):
            how = "needs --allow-destructive" if isinstance(error, Unsafe) else "refused"
            branch.add(Text(f"{how}: {error}", style="bold red"))
    return list(systems.values())


def _lines(change: Change) -> list[Text]:
    """A line for each property; of a Helm release's objects that are not there, one for each object."""
    created = change.action is Action.CREATE
    objects = change.desired.properties.get("objects", {}) if change.desired.kind == "release" else {}
    told: list[Text] = []
    left = list(change.properties)
    for name in objects:
        inside = [each for each in left if each.path.startswith(f"objects/{name}/")]
        if inside and all(each.before is None for each in inside):
            told.append(Text(f"+ {name}", style="green"))
            left = [each for each in left if each not in inside]
    return told + [line(each, created=created) for each in left if not (objects and created)]


def line(change: PropertyChange, *, created: bool) -> Text:
    """A property's value after, and before it unless the thing is new; of two lists, the items that differ."""
    before, after = change.before, change.after
    if isinstance(before, list) and isinstance(after, list):
        gone, come = [each for each in before if each not in after], [each for each in after if each not in before]
        if gone or come:
            before, after = gone, come
    text = Text(f"{change.path}: ")
    if not created:
        text.append(_short(before), style="red").append(" -> ")
    return text.append(_short(after), style="green")


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


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=dict)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}..."


def _summary(found: Survey) -> str:
    changes = found.plan.changes
    created = sum(change.action is Action.CREATE for change in changes)
    refused = f", [bold red]{len(found.refused)} refused[/]" if found.refused else ""
    return f"{created} to create, {len(changes) - created} to change{refused}"
