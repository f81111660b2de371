"""A source's row as the unified table must have it, by the contract's mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dropless.contract import Column, Contract, Source
from dropless.reconciliation.canonical import Values
from dropless.union.columns import ColumnMapper, Rejected, column_mapper


@dataclass(frozen=True)
class Refused:
    """A row that no unified row can be made of: its last change is a dead letter."""

    reason: str


@dataclass(frozen=True)
class Mapped:
    """The functions that make each column, and the source's columns that they read."""

    fills: Mapping[str, ColumnMapper]
    origins: frozenset[str]

    def row(self, row: Mapping[str, Any]) -> Values | Refused:
        """The whole row."""
        try:
            return {name: fill(row) for name, fill in self.fills.items()}
        except Rejected as reason:
            return Refused(str(reason))

    def columns(self, row: Mapping[str, Any], columns: Sequence[Column]) -> Values:
        """Some columns, null where the row is refused: it is looked at again by itself."""
        made: dict[str, Any] = {}
        for column in columns:
            try:
                made[column.name] = self.fills[column.name](row)
            except Rejected:
                made[column.name] = None
        return made


def mapped(contract: Contract, source: Source) -> Mapped:
    """The mapping of a source."""
    return Mapped({each.name: column_mapper(each, source) for each in contract.columns}, source.taken)
