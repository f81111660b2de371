"""`dropless plan` and `dropless apply`: what differs from the contracts, and making it right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text
from rich.tree import Tree

from dropless import desired
from dropless.contract import load_contracts
from dropless.endpoints import Endpoints
from dropless.plan import Action, Change, Json, Plan, PropertyChange, Resource
from dropless.settings import Settings
from resources.adapter import Adapter
from resources.provisioning import adapters, check, preview, provision, select

DRIFT = 3
# Longer values, such as a whole list of columns, are cut on a terminal; `--json` has them whole.
WIDTH = 100

Only = Annotated[str | None, typer.Option(help="One kind, or one thing: topic, or topic:unified.orders.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the plan for machines.")]


def plan(*, only: Only = None, as_json: AsJson = False) -> None:
    """Show what differs from the contracts, property by property; change nothing.

    Exits with 0 if nothing differs, with 3 if something does, with 1 if a system does not answer or a
    change would be refused.

    Example: dropless plan --json
    """
    resources, known = _everything(only)
    with _progress() as status:
        changes = preview(resources, known, status.update)
    show(changes, as_json=as_json)
    check(changes, known)
    if not changes.empty:
        raise typer.Exit(DRIFT)


def apply(*, only: Only = None, as_json: AsJson = False) -> None:
    """Make everything as the contracts say, and wait until it works; doing it twice is doing it once.

    Example: dropless apply --only connector:orders.store
    """
    resources, known = _everything(only)
    with _progress() as status:
        changes = provision(resources, known, status.update)
    show(changes, as_json=as_json)
    if not as_json and not changes.empty:
        Console().print("[green]Applied, and seen working.[/]")


def show(changes: Plan, *, as_json: bool) -> None:
    """Print a plan, as JSON or grouped by system."""
    if as_json:
        typer.echo(json.dumps(changes.as_json(), indent=2))
        return
    console = Console(highlight=False)
    if changes.empty:
        console.print("[green]Nothing to do:[/] everything is as the contracts say.")
        return
    for tree in trees(changes.changes):
        console.print(tree)
    console.print(_summary(changes))


def trees(changes: Sequence[Change]) -> list[Tree]:
    """One tree per system, in the order of the plan."""
    systems: dict[str, Tree] = {}
    for change in changes:
        tree = systems.setdefault(change.desired.system, Tree(Text(change.desired.system, style="bold")))
        sign, colour = ("+", "green") if change.action is Action.CREATE else ("~", "yellow")
        branch = tree.add(Text(f"{sign} {change.desired.kind} {change.desired.name}", style=colour))
        for each in change.properties:
            branch.add(line(each, created=change.action is Action.CREATE))
    return list(systems.values())


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


def _everything(only: str | None) -> tuple[list[Resource], dict[str, Adapter]]:
    settings = Settings.load()
    endpoints = Endpoints.local(settings)
    resources = desired.everything(load_contracts(settings.contracts), endpoints)
    return select(resources, only), adapters(endpoints)


def _progress() -> Status:
    return Console(stderr=True).status("looking")


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=dict)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}..."


def _summary(changes: Plan) -> str:
    created = sum(change.action is Action.CREATE for change in changes.changes)
    return f"{created} to create, {len(changes.changes) - created} to change"
