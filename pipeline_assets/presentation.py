"""Plans, findings and columns as the UI shows them best."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import dagster as dg

from dropless.contract import Column, Contract
from dropless.invariants import Finding
from dropless.lake.schema import SYSTEM
from dropless.plan import Change, Json, Plan

# Beyond this a cell of the UI's table is unreadable; the JSON beside it has everything.
CELL = 80


def plan_metadata(plan: Plan) -> dict[str, dg.MetadataValue]:
    """A plan as a table for people and as JSON for machines."""
    metadata: dict[str, dg.MetadataValue] = {"changes": dg.MetadataValue.int(len(plan.changes))}
    if not plan.empty:
        metadata["plan"] = dg.MetadataValue.md(plan_table(plan.changes))
        metadata["plan_json"] = dg.MetadataValue.json(plan.as_json())
    return metadata


def first_difference(plan: Plan) -> str:
    """The first difference of a plan with changes, in a sentence, and how many more there are."""
    differences = [(change.desired.name, each) for change in plan.changes for each in change.properties]
    name, first = differences[0]
    more = f", and {len(differences) - 1} more" if len(differences) > 1 else ""
    found = "not set" if first.before is None else _quoted(_cell(first.before))
    return f"{name}: {first.path} is {found}, declared {_quoted(_cell(first.after))}{more}."


def plan_table(changes: Iterable[Change]) -> str:
    """The changes property by property, as a Markdown table."""
    rows = [
        (change.action.value, change.desired.name, each.path, _cell(each.before), _cell(each.after))
        for change in changes
        for each in change.properties
    ]
    return table(("action", "name", "property", "before", "after"), rows)


def findings_table(findings: Sequence[Finding]) -> str:
    """Where an invariant does not hold, as a Markdown table."""
    rows = [(each.where, each.expected, each.found, each.why) for each in findings]
    return table(("where", "expected", "found", "why it matters"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def column_schema(contract: Contract) -> dg.TableSchema:
    """A contract's columns, then the system columns of every unified row."""
    columns = [
        dg.TableColumn(
            each.name,
            type=str(each.type),
            description=each.description or None,
            constraints=dg.TableColumnConstraints(nullable=each.nullable, other=_allowed(each)),
            tags={"pii": ""} if each.pii else {},
        )
        for each in contract.columns
    ]
    system = [
        dg.TableColumn(
            field.name, type=str(field.type), description=(field.metadata or {}).get(b"comment", b"").decode()
        )
        for field in SYSTEM
    ]
    return dg.TableSchema(columns=[*columns, *system])


def _allowed(column: Column) -> list[str]:
    return [f"one of {', '.join(column.allowed)}"] if column.allowed else []


def _quoted(text: str) -> str:
    # Several words would run into the sentence.
    return f"“{text}”" if " " in text else text


def _cell(value: Json) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, default=dict)
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"
