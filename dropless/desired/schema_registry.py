"""The JSON Schemas of raw and unified values.

All are closed models, since a property added to an open one counts as incompatible.
"""

from __future__ import annotations

from typing import Any, Final

from dropless import names
from dropless.contract import Column, ColumnType, Contract, Kind, Source
from dropless.contract.checks import MICROSECONDS_SUFFIX
from dropless.contract.literals import INT_RANGE, LONG_RANGE
from dropless.contract.problems import listed
from dropless.contract.widening import narrowing
from dropless.plan import Resource

DIALECT: Final = "http://json-schema.org/draft-07/schema#"
COMPATIBILITY: Final = "BACKWARD"

_EPOCH: Final = "epoch "

Schema = dict[str, Any]


def subjects(contract: Contract) -> list[Resource]:
    """A subject for each raw topic and for the unified one."""
    table = contract.name
    made = [_subject(names.raw_topic(table, source.name), raw_schema(contract, source)) for source in contract.sources]
    return [*made, _subject(names.unified_topic(table), unified_schema(contract))]


def raw_schema(contract: Contract, source: Source) -> Schema:
    """Debezium's envelope; the source's own columns are left open, so that the source may change them."""
    row: Schema = {"type": ["object", "null"]}
    if source.mongodb:
        row = {"type": ["string", "null"], "description": "The document as extended JSON."}
    properties: dict[str, Schema] = {
        "before": row,
        "after": row,
        "source": {"type": "object"},
        "transaction": {"type": ["object", "null"]},
        "op": {"type": "string", "description": "c, u, d, r (read in the snapshot) or t (truncate)."},
        "ts_ms": {"type": ["integer", "null"]},
        "ts_us": {"type": ["integer", "null"]},
        "ts_ns": {"type": ["integer", "null"]},
    }
    if source.mongodb:
        properties["updateDescription"] = {"type": ["object", "null"]}
    # A topic that is gone tells nothing any more: its schema remembers when it was made anew.
    epoch = {"$comment": f"{_EPOCH}{source.epoch}"} if source.epoch else {}
    return epoch | {
        "$schema": DIALECT,
        "title": names.raw_topic(contract.name, source.name),
        "description": f"A change of source {source.name!r} as Debezium saw it.",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": ["op", "source"],
    }


def epoch_of(schema: Schema) -> int:
    """The epoch of the raw topic that a schema was registered for."""
    text = str(schema.get("$comment", ""))
    return int(text.removeprefix(_EPOCH)) if text.startswith(_EPOCH) else 0


def unified_schema(contract: Contract) -> Schema:
    """A unified row. Only in a row of a deletion can a column be null that must not be."""
    microseconds = {"type": "integer", "description": "Microseconds since 1970, UTC."}
    properties: dict[str, Schema] = {
        "_key": {"type": "string", "description": "The source's name and the primary key in it."},
        "_source": {"type": "string"},
        "_op": {"type": "string", "enum": ["c", "u", "d", "r"]},
        "_deleted": {"type": "boolean"},
        "_committed_at_us": microseconds | {"description": "The source's commit time in microseconds since 1970, UTC."},
        "_topic": {"type": "string"},
        "_partition": {"type": "integer"},
        "_offset": {"type": "integer"},
        "_position": {"type": "integer", "description": "Orders the versions of one key: epoch x 2^48 + raw offset."},
    }
    # Every field is in every row, but a column added later could not be backward compatible if it were required.
    required = [*properties, *(column.field for column in contract.columns if not column.nullable)]
    for column in contract.columns:
        properties[column.field] = _column(column, never_null=column.name == contract.time_column)
    return {
        "$schema": DIALECT,
        "title": names.unified_topic(contract.name),
        "description": contract.description,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": required,
    }


def _column(column: Column, *, never_null: bool) -> Schema:
    # The registry compares none of its own words for a decimal's digits, and calls every other pattern incompatible:
    # the type is kept beside them, and `broken` compares it.
    schema = _WIRE[column.type.kind] | {"$comment": str(column.type)}
    if column.allowed is not None:
        schema["enum"] = [*column.allowed, *([] if never_null else [None])]
    if not never_null:
        schema["type"] = [schema["type"], "null"]
    if column.description:
        schema["description"] = column.description
    return schema


def broken(before: Schema, after: Schema) -> list[str]:
    """What of a unified schema's change would break a reader of the rows that are there, as clauses.

    A schema that was registered before types were kept in it is compared only by its columns and values.
    """
    was, will = before.get("properties", {}), after.get("properties", {})
    reasons = []
    for field, old in was.items():
        # A timestamp X travels as X_us.
        name = field.removesuffix(MICROSECONDS_SUFFIX) if old.get("$comment") == Kind.TIMESTAMP else field
        if field not in will:
            reasons.append(f"column {name!r} would go")
            continue
        new = will[field]
        types = [ColumnType.parse(each["$comment"]) for each in (old, new) if "$comment" in each]
        if len(types) == 2 and (reason := narrowing(*types)):
            reasons.append(f"column {name!r} {reason}")
        kept = new.get("enum", old.get("enum"))
        if "enum" in new and "enum" not in old:
            reasons.append(f"column {name!r} may hold any value and would allow only {listed(filter(None, kept))}")
        if gone := [value for value in old.get("enum", ()) if value not in kept]:
            reasons.append(f"column {name!r} would no longer allow {listed(gone)}")
        if field in after.get("required", ()) and field not in before.get("required", ()):
            reasons.append(f"column {name!r} may be null and would have to be filled")
    new_and_required = [field for field in after.get("required", ()) if field not in was]
    return reasons + [f"column {field!r} is new and would have to be filled" for field in new_and_required]


_WIRE: Final[dict[Kind, Schema]] = {
    Kind.STRING: {"type": "string"},
    Kind.INT: {"type": "integer", "minimum": INT_RANGE[0], "maximum": INT_RANGE[1]},
    Kind.LONG: {"type": "integer", "minimum": LONG_RANGE[0], "maximum": LONG_RANGE[1]},
    Kind.DOUBLE: {"type": "number"},
    Kind.DECIMAL: {"type": "string"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.TIMESTAMP: {"type": "integer"},
    Kind.DATE: {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    Kind.JSON: {"type": "string"},
}


def _subject(topic: str, schema: Schema) -> Resource:
    properties = {"compatibility": COMPATIBILITY, "schema_type": "JSON", "schema": schema}
    return Resource("schema_registry", "subject", names.subject(topic), properties, exact=frozenset({"schema"}))
