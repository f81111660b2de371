"""The data files of one version of a Delta table, as its log tells of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.transaction import RemoveAction


@dataclass(frozen=True)
class DataFile:
    """A file of one version of a table."""

    path: str
    bytes: int
    rows: int | None
    """None where the log does not tell; whatever we write, it tells of."""
    partition: Mapping[str, str | None]
    """By partition column its value, as the log spells it."""

    def remove(self, *, data_change: bool) -> RemoveAction:
        """What takes it out of the table; its bytes stay until vacuum."""
        return RemoveAction(self.path, data_change, int(time.time() * 1000), self.bytes, dict(self.partition))


def files(table: DeltaTable) -> list[DataFile]:
    """Every data file of a handle's version."""
    cut = table.metadata().partition_columns
    actions = pa.table(table.get_add_actions(flatten=True))
    # Of each column's bounds there would be a Python object for every file.
    told = actions.select(["path", "size_bytes", "num_records", *(f"partition.{name}" for name in cut)])
    return [
        DataFile(path, size, rows, {name: _spelled(value) for name, value in zip(cut, values, strict=True)})
        for path, size, rows, *values in zip(*(column.to_pylist() for column in told.columns), strict=True)
    ]


def _spelled(value: object) -> str | None:
    return None if value is None else str(value)
