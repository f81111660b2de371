"""Which changes Pinot can make to what holds rows, and which need the table to be made anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from dropless import names
from dropless.plan import Action, Change

# How rows were put together: those that are there would keep the old way.
FIXED = ("upsertConfig", "segmentsConfig/timeColumnName", "tableIndexConfig/segmentPartitionConfig")


def incompatible(desired: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What a schema with data cannot become: a column that goes or changes its type, another key."""
    reasons = []
    before, after = _columns(found), _columns(desired)
    for name, spec in before.items():
        if name not in after:
            reasons.append(f"column {name!r} would go")
        elif spec != after[name]:
            reasons.append(f"column {name!r} is {' '.join(spec)} and would be {' '.join(after[name])}")
    if (key := found.get("primaryKeyColumns")) != (wanted := desired.get("primaryKeyColumns")):
        reasons.append(f"the key is {key} and would be {wanted}")
    return reasons


def note(change: Change) -> str | None:
    """What a person should know of a change that Pinot makes in place, but not wholly."""
    if change.desired.kind != "pinot_schema" or change.action is Action.CREATE:
        return None
    before = {each["name"] for each in _changed(change, "before")}
    added = [
        f"{each['name']} ({_SHOWN[each['dataType']]})"
        for each in _changed(change, "after")
        if each["name"] not in before
    ]
    if not added:
        return None
    return (
        "In rows that are there, Pinot shows a new column as its type's default and not as NULL, until the row "
        f"changes: {', '.join(added)}. The lake has NULL. A table that is dropped in Pinot is read again by "
        "`dropless apply`, with NULL."
    )


def made_anew(table: str, reasons: Sequence[str]) -> str:
    """What is lost when a table is dropped and made again."""
    return (
        f"Pinot cannot change table {table!r} in place: {'; '.join(reasons)}. If that is allowed, it is dropped and "
        f"read again from {names.unified_topic(table)}; until it has caught up, queries see only a part of the rows."
    )


_SHOWN: Final = {
    "STRING": "'null'",
    "JSON": "'null'",
    "BOOLEAN": "false",
    "TIMESTAMP": "1970-01-01",
    "INT": "0",
    "LONG": "0",
    "DOUBLE": "0",
    "BIG_DECIMAL": "0",
}


def _changed(change: Change, side: Literal["before", "after"]) -> Iterator[Any]:
    for each in change.properties:
        if each.path.endswith("FieldSpecs"):
            yield from getattr(each, side) or ()


def _columns(schema: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        field["name"]: (kind.removesuffix("FieldSpecs"), field["dataType"])
        for kind in ("dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs")
        for field in schema.get(kind) or ()
    }
