"""The table of all results, made of their files and of nothing else."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Any, Final

import orjson

from benchmarks.goals import GOALS, METHODS, Goal
from benchmarks.result import RESULTS
from dropless.settings import PROJECT

TABLE: Final = PROJECT / "docs" / "benchmarks.md"
NONE: Final = "-"
PAGE: Final = Path(__file__).with_name("page.md")


def table(folder: Path = RESULTS) -> str:
    """The page, from the files in a folder."""
    found = {path.stem: orjson.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"), key=_in_order)}
    head = ["| | what | must | aim | measured | 95 % interval | verdict: must | verdict: aim |"]
    head.append("|---|---|--:|--:|--:|--:|---|---|")
    parts = {
        "table": [*head, *(_row(goal, found.get(goal.benchmark)) for goal in GOALS)],
        "notes": _notes(found) or ["Nothing was dropped."],
        "methods": [f"- **{name}**: {what}" for name, what in METHODS.items()],
        "absolute": _absolutes(found),
        "machine": _machine(found),
    }
    return Template(PAGE.read_text()).substitute({name: "\n".join(lines) for name, lines in parts.items()})


def _in_order(path: Path) -> int:
    return [*METHODS].index(path.stem)


def write(folder: Path = RESULTS, page: Path = TABLE) -> None:
    """Write the page."""
    page.write_text(table(folder))


def _row(goal: Goal, result: dict[str, Any] | None) -> str:
    cells = [goal.benchmark, goal.what, _limit(goal, goal.must), _limit(goal, goal.aim)]
    if result is None:
        return _cells([*cells, "not measured", NONE, NONE, NONE])
    if result["void"] or goal.figure not in result["figures"]:
        return _cells([*cells, "void", NONE, NONE, NONE])
    figure = result["figures"][goal.figure]
    unit = f" {goal.unit}" if goal.unit else ""
    interval = f"{_number(figure['low'])} to {_number(figure['high'])}{unit}"
    verdicts = [_verdict(goal, figure["value"], limit) for limit in (goal.must, goal.aim)]
    return _cells([*cells, f"{_number(figure['value'])}{unit}", interval, *verdicts])


def _verdict(goal: Goal, value: float, limit: float | None) -> str:
    if limit is None:
        return NONE
    return "reached" if goal.reached(value, limit) else "not reached"


def _limit(goal: Goal, limit: float | None) -> str:
    if limit is None:
        return NONE
    return f"{'≤' if goal.smaller else '≥'} {limit:g}{f' {goal.unit}' if goal.unit else ''}"


def _notes(found: dict[str, dict[str, Any]]) -> list[str]:
    notes = []
    for name, result in found.items():
        if result["void"]:
            notes.append(f"{name} is void: {result['void']}")
        if result["quick"]:
            notes.append(f"{name} was measured roughly (`--quick`).")
        if result["rounds_dropped"]:
            notes.append(f"{name}: {len(result['rounds_dropped'])} rounds were disturbed and do not count.")
        if floor := result["noise_floor"]:
            told = f"{_number(floor['value'])} ({_number(floor['low'])} to {_number(floor['high'])})"
            notes.append(f"{name}: noise floor, the same against itself: {told}, {len(result['rounds'])} rounds.")
    return [f"- {note}" for note in notes]


def _absolutes(found: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for name, result in found.items():
        told = "; ".join(f"{what} {_number(value)}" for what, value in result["absolute"].items())
        if told:
            lines.append(f"- **{name}**: {told}")
    return lines


def _machine(found: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for name, result in found.items():
        told = result["conditions"]
        machine, versions = told["machine"], told["versions"]
        commit = told["commit"] + (" and changes not committed" if told["changed_since_commit"] else "")
        lines.append(
            f"- {name}: {result['measured_at']}, commit {commit}; {machine['cores']} cores of {machine['cpu']}, "
            f"{machine['memory_gib']:g} GiB, {machine['file_system']} with {machine['fsync_ms']:g} ms for an fsync; "
            + ", ".join(f"{what} {version}" for what, version in versions.items())
        )
    return lines


def _cells(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    write()
