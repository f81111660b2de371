"""Every kind of thing that is provisioned, and which kinds it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dropless.errors import DroplessError
from dropless.plan import Resource
from resources.adapter import Adapter

# A kind needs only kinds before it.
ORDER = (
    "release",
    "bucket",
    "s3_user",
    "topic",
    "subject",
    "postgresql_source",
    "mongodb_source",
    "connector",
    "pinot_schema",
    "pinot_table",
    "ksqldb_stream",
    "ksqldb_mapping",
    "process",
)
# Connect signs in at the source to validate a connector, Pinot looks at the schema to validate a table:
# they are asked only when that thing of the same name is as it should be.
VALIDATED_AGAINST = {"connector": ("postgresql_source", "mongodb_source"), "pinot_table": ("pinot_schema",)}


def by_kind(desired: Sequence[Resource]) -> dict[str, list[Resource]]:
    """The resources by kind, in the order in which kinds depend on each other.

    Raises:
        DroplessError: a kind has no place in that order.
    """
    unknown = sorted({each.kind for each in desired} - set(ORDER))
    if unknown:
        raise DroplessError(f"Nobody knows how to make a {unknown[0]!r}; the kinds are {', '.join(ORDER)}.")
    grouped = {kind: [each for each in desired if each.kind == kind] for kind in ORDER}
    return {kind: resources for kind, resources in grouped.items() if resources}


def adapter_of(kind: str, known: Mapping[str, Adapter]) -> Adapter:
    """The adapter of a kind.

    Raises:
        DroplessError: things of that kind cannot be provisioned from here.
    """
    try:
        return known[kind]
    except KeyError:
        raise DroplessError(f"Things of the kind {kind!r} cannot be provisioned from here.") from None


def counted(kind: str, resources: Sequence[Resource]) -> str:
    """How many things of a kind there are, in words."""
    words = kind.replace("_", " ")
    ending = "es" if words.endswith("s") else "s"
    return f"{len(resources)} {words}{'' if len(resources) == 1 else ending}"
