"""The names of what a unified table has in ksqlDB.

A stream is named after its topic and after what it says of it: `CREATE STREAM IF NOT EXISTS` takes any stream of that
name for the right one, and a changed one can only be made beside the old one, which queries still use.
A query is named after its source, what it writes, and the mapping that it runs.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

STREAM_DIGITS: Final = 8
QUERY_DIGITS: Final = 12
ROLES: Final = ("rows", "dead", "broken")
"""What the queries of a source write: unified rows, dead letters, and those of values that are no JSON object."""

_STREAM: Final = re.compile(rf"_[0-9a-f]{{{STREAM_DIGITS}}}")
_QUERY: Final = re.compile(rf"_([0-9A-F]{{{QUERY_DIGITS}}})")


def digest(text: str, digits: int) -> str:
    """The beginning of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def stream(kind: str, table: str, source: str | None, definition: str) -> str:
    """A stream's name, such as `raw_orders_store_0f3a9c1e`; no two contracts have the same table and source in it."""
    place = table if source is None else f"{table}_{source}"
    return f"{kind}_{place}_{digest(definition, STREAM_DIGITS)}"


def is_stream_of(name: str, table: str, source: str) -> bool:
    """Whether a stream is one of a source or of what all sources of its table write, of whatever definition."""
    stems = (f"raw_{table}_{source}", f"text_{table}_{source}", f"unified_{table}", f"dead_{table}")
    return any(name.startswith(stem) and _STREAM.fullmatch(name, len(stem)) for stem in stems)


def mapping(table: str, source: str) -> str:
    """What the queries of a source are called together."""
    return f"{table}.{source}"


def query(role: str, table: str, source: str, version: str) -> str:
    """A query's id, in the upper case that ksqlDB gives to it."""
    return f"{role}_{table}_{source}_{version}".upper()


def version_of(query_id: str, role: str, table: str, source: str) -> str | None:
    """The version of the mapping that a query runs; None if the query is not one of this role and source."""
    stem = f"{role}_{table}_{source}".upper()
    match = _QUERY.fullmatch(query_id, len(stem)) if query_id.startswith(stem) else None
    return match[1].lower() if match else None


def group(service_id: str, query_id: str) -> str:
    """The consumer group in which ksqlDB keeps a query's offsets."""
    return f"_confluent-ksql-{service_id}query_{query_id}"
