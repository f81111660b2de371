"""What differs, for people and for programs: grouped by system, property by property."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from dropless.errors import Unsafe
from dropless.plan import Action, Change, Json, PropertyChange
from resources.pinot_changes import note
from resources.survey import Survey

if TYPE_CHECKING:
    from resources.source_columns import Unknown

DRIFT = 3
# Longer values, such as a whole list of columns, are cut on a terminal; `--json` has them whole.
WIDTH = 100
RESUME = "`dropless apply --resume` has it run on."


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


def end(found: Survey, *, allow_destructive: bool) -> None:
    """End a plan with its exit code: 1 if something could not be seen or would be refused, 3 if something differs."""
    allowed = Unsafe if allow_destructive else ()
    if found.unseen or any(not isinstance(error, allowed) for error in found.refused.values()):
        raise typer.Exit(1)
    if not found.plan.empty:
        raise typer.Exit(DRIFT)


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


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=dict)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}..."


def _summary(found: Survey) -> str:
    changes = found.plan.changes
    created = sum(change.action is Action.CREATE for change in changes)
    refused = f", [bold red]{len(found.refused)} refused[/]" if found.refused else ""
    return f"{created} to create, {len(changes) - created} to change{refused}"
