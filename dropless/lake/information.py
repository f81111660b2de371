"""What is told about a table without reading its rows."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from dropless.lake.reading import LakeTable


class TableInfo(NamedTuple):
    """A table at its newest version."""

    name: str
    rows: int | None
    """None where they are known only by reading: a current state that was never merged."""
    bytes: int
    files: int
    version: int
    fresh_until: datetime | None
    """When the newest change in it came to the lake."""
    newest_commit: datetime
    description: str


def information(table: LakeTable) -> TableInfo:
    """A table in a line."""
    files = table.files()
    return TableInfo(
        name=table.name,
        rows=table.rows_if_known(),
        bytes=sum(files.values()),
        files=len(files),
        version=table.version,
        fresh_until=table.fresh_until,
        newest_commit=table.history(1)[0]["timestamp"],
        description=table.description,
    )
