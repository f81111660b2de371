"""Which type a column may get while its rows stay: one that holds every value of the old exactly."""

from __future__ import annotations

from dropless.contract.column_type import ColumnType, Kind


def widens(before: ColumnType, after: ColumnType) -> bool:
    """Whether every value of `before` is one of `after`, so that a column may become it.

    So do an int a long, and a decimal one with as many digits before its point and after it, or more.
    """
    if before.kind is Kind.DECIMAL and after.kind is Kind.DECIMAL:
        return after.scale >= before.scale and after.precision - after.scale >= before.precision - before.scale
    return before == after or (before.kind, after.kind) == (Kind.INT, Kind.LONG)


def narrowing(before: ColumnType, after: ColumnType) -> str | None:
    """Why a column must not become `after`, as a clause that goes on after its name; None if it may."""
    if widens(before, after):
        return None
    return f"is {before} and would be {after}, which does not hold every value of it"
