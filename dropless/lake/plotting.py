"""The points of a dataset's plot: aggregated where the rows are, and few, however many rows there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from duckdb import DuckDBPyConnection
from duckdb.sqltypes import DuckDBPyType

from dropless.contract.problems import did_you_mean
from dropless.errors import DroplessError
from dropless.lake.engine import quoted
from dropless.lake.header import Plot
from dropless.lake.result import sentences

MOST_PLACES: Final = 100
"""Places on the x axis; beyond it time is taken by longer units, numbers in bins."""
MOST_NAMES: Final = 20
"""The same where `x` is a text: the largest, and the others together."""
MOST_SERIES: Final = 6
"""Lines, or bars of one place: the largest, and the others together."""
OTHERS: Final = "(others)"
NONE: Final = "(none)"
_UNITS: Final = ("day", "week", "month", "quarter", "year")
_TIMES: Final = frozenset({"date", "timestamp", "timestamp with time zone"})
_NUMBERS: Final = frozenset(
    {"tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"}
    | {"float", "double", "decimal"}
)

Axis = Literal["time", "number", "name"]


@dataclass(frozen=True)
class Series:
    """One line of the picture, or one bar of each place: `x` in ascending order."""

    name: str
    x: tuple[Any, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Points:
    """What a plot shows."""

    kind: Literal["line", "bar"]
    axis: Axis
    x: str
    """What the x axis tells, such as `day, by week`."""
    y: str
    series: tuple[Series, ...]


def points(database: DuckDBPyConnection, name: str, result: str, plot: Plot) -> Points:
    """The points of the plot of a dataset, whose rows `result` (an SQL identifier) has.

    Raises:
        DroplessError: the plot names a column that is not there, or is none of numbers.
    """
    with sentences():
        relation = database.sql(f"select * from {result} limit 0")  # noqa: S608 - quoted
    types = dict(zip(relation.columns, relation.types, strict=True))
    _check(name, plot, types)
    column = quoted(plot.x)
    axis: Axis = "time" if _is(types[plot.x], _TIMES) else "number" if _is(types[plot.x], _NUMBERS) else "name"
    size = f"sum(abs({quoted(plot.y[0])}))" if plot.y else "count(*)"
    label, shown = plot.x, f"{column} is not null"
    with sentences():
        if axis == "name":
            shown = "true"
            place = _largest(database, result, plot.x, size, MOST_NAMES)
        else:
            place, step = (_unit if axis == "time" else _bins)(database, result, column)
            label += step
            shown = f"isfinite({column}::double)" if axis == "number" else shown
        series = _largest(database, result, plot.by, size, MOST_SERIES) if plot.by else "''"
        made = "avg" if plot.aggregate == "mean" else plot.aggregate
        values = ", ".join(f"{made}({quoted(each)})::double" for each in plot.y) or "count(*)::double"
        rows = database.sql(
            f"select {place} as place, {series} as series, {values} from {result} "  # noqa: S608 - quoted
            f"where {shown} group by all order by series, place"
        ).fetchall()
    told = "rows" if not plot.y else plot.y[0] if len(plot.y) == 1 else ""
    told = told if plot.aggregate == "sum" else f"{plot.aggregate} of {told}".removesuffix(" of ")
    return Points(plot.kind, axis, label, told, _series(plot, rows))


def _series(plot: Plot, rows: Sequence[tuple[Any, ...]]) -> tuple[Series, ...]:
    made = []
    for number in range(max(1, len(plot.y))):
        for name in dict.fromkeys(row[1] for row in rows):
            # A column may have no number at a place, such as the hours of what has not happened yet.
            own = [(row[0], row[2 + number]) for row in rows if row[1] == name and row[2 + number] is not None]
            if own:
                x, y = zip(*own, strict=True)
                made.append(Series(plot.y[number] if len(plot.y) > 1 else name, x, y))
    return tuple(made)


def _check(name: str, plot: Plot, types: dict[str, DuckDBPyType]) -> None:
    for column in plot.columns().values():
        if column not in types:
            raise DroplessError(
                f"Dataset {name!r} cannot be plotted: its SQL has no column {column!r}{did_you_mean(column, types)}."
            )
    for column in plot.y:
        if not _is(types[column], _NUMBERS):
            raise DroplessError(
                f"Dataset {name!r} cannot be plotted: its column {column!r} is {types[column]}, and `y` takes numbers."
            )


def _is(kind: DuckDBPyType, wanted: frozenset[str]) -> bool:
    return kind.id in wanted


def _unit(database: DuckDBPyConnection, result: str, column: str) -> tuple[str, str]:
    """Time as it is, or in the shortest unit of which there are few enough."""
    if _different(database, result, column) <= MOST_PLACES:
        return f"{column}::timestamp", ""
    for unit in _UNITS:
        place = f"date_trunc('{unit}', {column})::timestamp"
        if _different(database, result, place) <= MOST_PLACES or unit == _UNITS[-1]:
            return place, f", by {unit}"
    raise AssertionError("unreachable")


def _bins(database: DuckDBPyConnection, result: str, column: str) -> tuple[str, str]:
    """Numbers as they are, or the lower ends of bins of 1, 2 or 5 times a power of ten."""
    number = f"{column}::double"
    if _different(database, result, column) <= MOST_PLACES:
        return number, ""
    ends = f"select min({number}), max({number}) from {result} where isfinite({number})"  # noqa: S608 - quoted
    [(low, high)] = database.sql(ends).fetchall()
    step = next(
        factor * 10.0**power
        for power in range(-300, 309)
        for factor in (1, 2, 5)
        if (high - low) / (factor * 10.0**power) < MOST_PLACES / 2
    )
    return f"floor({number} / {step!r}) * {step!r}", f", in steps of {step:g}"


def _different(database: DuckDBPyConnection, result: str, place: str) -> int:
    [(found,)] = database.sql(f"select count(distinct {place}) from {result}").fetchall()  # noqa: S608 - quoted
    return int(found)


def _largest(database: DuckDBPyConnection, result: str, name: str, size: str, most: int) -> str:
    """A column's values as texts: the largest by `size`, and the others under one name."""
    text = f"coalesce({quoted(name)}::varchar, '{NONE}')"
    ranked = f"select {text} as name from {result} group by all order by {size} desc, name limit {most + 1}"  # noqa: S608 - quoted
    found = database.sql(ranked).fetchall()
    if len(found) <= most:
        return text
    kept = ", ".join("'" + value.replace("'", "''") + "'" for (value,) in found[: most - 1])
    return f"case when {text} in ({kept}) then {text} else '{OTHERS}' end"
