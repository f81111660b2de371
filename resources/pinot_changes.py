"""Which changes Pinot can make to what holds rows, and which need the table to be made anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dropless import names

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


def made_anew(table: str, reasons: Sequence[str]) -> str:
    """What is lost when a table is dropped and made again."""
    return (
        f"Pinot cannot change table {table!r} in place: {'; '.join(reasons)}. If that is allowed, it is dropped and "
        f"read again from {names.unified_topic(table)}; until it has caught up, queries see only a part of the rows."
    )


def _columns(schema: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        field["name"]: (kind.removesuffix("FieldSpecs"), field["dataType"])
        for kind in ("dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs")
        for field in schema.get(kind) or ()
    }
