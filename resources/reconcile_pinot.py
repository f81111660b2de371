"""A Pinot table as reconciliation reads it: page by page, in the types that it has, and single rows by their keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from decimal import Decimal
from functools import partial
from types import GenericAlias
from typing import Any, Final

import pyarrow as pa

from dropless import pinot
from dropless.contract import Column, Contract
from dropless.contract.column_type import Kind
from dropless.endpoints import Endpoints
from dropless.reconciliation.canonical import COARSE_US, Split, Values
from dropless.reconciliation.newest import selected
from dropless.reconciliation.pairs import Pairs
from dropless.reconciliation.where import Where
from dropless.union import canonical_json
from dropless.union.outcome import Unmappable
from resources.waiting import patiently

NAME: Final = "pinot"
PAGE_ROWS: Final = 50_000
KEYS_AT_ONCE: Final = 1_000
TIMEOUT_SECONDS: Final = 30

Progress = Callable[[int], None]

_JSON_TYPES: Final = {
    Kind.STRING: str,
    Kind.INT: int,
    Kind.LONG: int,
    Kind.DOUBLE: float | str,
    # A bare number of as many digits as it has: a float would cut it.
    Kind.DECIMAL: Decimal,
    Kind.BOOLEAN: bool | str | int,
    Kind.TIMESTAMP: int,
    Kind.DATE: str,
    Kind.JSON: str,
}
_ARROW_TYPES: Final = {
    Kind.INT: pa.int64(),
    Kind.LONG: pa.int64(),
    Kind.DOUBLE: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIMESTAMP: pa.int64(),
}


class PinotSide:
    """One table, of which rows that are marked as deleted are no part."""

    def __init__(self, endpoints: Endpoints, contract: Contract) -> None:
        """Nothing is asked yet."""
        self._endpoints = endpoints
        self._contract = contract

    def collect(
        self,
        pairs: Pairs,
        sources: Collection[str],
        splits: dict[str, Split],
        progress: Progress,
        *,
        keys_only: bool,
        where: Where | None = None,
    ) -> None:
        """Put the keys and hashes of every row, or of those that `where` chooses, among the pairs.

        Rows are asked for by their places in their segments; what changes meanwhile has another place, or none.

        Raises:
            Unreachable: Pinot does not answer in full.
            DroplessError: it refused.
        """
        columns = (where.columns if where else ()) if keys_only else self._contract.columns
        page = f"(select * from page where {where.in_duckdb(milliseconds=True)})" if where else "page"  # noqa: S608 - quoted
        table = self._contract.name
        last = patiently(lambda: pinot.select(self._endpoints, f'select max("$docId") from "{table}"').value())  # noqa: S608
        segments = patiently(
            lambda: pinot.select(self._endpoints, f'select distinctCount("$segmentName") from "{table}"').value()  # noqa: S608
        )
        if not isinstance(last, int | float) or last < 0:
            return
        window = max(1, PAGE_ROWS // max(1, int(segments or 1)))
        for first in range(0, int(last) + 1, window):
            places = f'"$docId" between {first} and {first + window - 1}'
            rows = self._rows(columns, places, sources)
            if rows:
                pairs.database.register("page", self._page(columns, rows))
                pairs.add_relation(NAME, page, splits, milliseconds=True, keys=keys_only)
                pairs.database.unregister("page")
            progress(len(rows))

    def rows(self, keys: Collection[str]) -> tuple[dict[str, Values], set[str]]:
        """The rows of these keys as they are now, and the keys that are there more than once.

        Timestamps end with their milliseconds.
        """
        columns = self._contract.columns
        found: dict[str, Values] = {}
        doubled: set[str] = set()
        for listed in _listed(keys):
            for _, key, *values in self._rows(columns, f'"_key" in ({listed})', ()):
                doubled |= {key} & found.keys()
                found[key] = {each.name: _wire(each, value) for each, value in zip(columns, values, strict=True)}
        return found, doubled

    def origins(self, keys: Collection[str]) -> dict[str, tuple[str, int, int]]:
        """The raw records (topic, partition, offset) that these rows were made of."""
        query = f'select "_key", "_topic", "_partition", "_offset" from "{self._contract.name}" where "_key" in '  # noqa: S608
        found = {}
        for listed in _listed(keys):
            ask = f"{query} ({listed}) limit {pinot.UNLIMITED}"
            row = tuple[str, str, int, int]
            for key, *place in patiently(partial(pinot.select_as, self._endpoints, ask, row, TIMEOUT_SECONDS)):
                found[key] = tuple(place)
        return found

    def _rows(self, columns: tuple[Column, ...], condition: str, sources: Collection[str]) -> list[tuple[Any, ...]]:
        wanted = ", ".join(['"_source"', '"_key"', *(selected(each) for each in columns)])
        # A source's name is lower-case letters, digits and underscores.
        among = ' and "_source" in ({})'.format(", ".join(f"'{each}'" for each in sources)) if sources else ""
        query = (
            f'set enableNullHandling = true; select {wanted} from "{self._contract.name}" '  # noqa: S608
            f'where "_deleted" = false and {condition}{among} limit {pinot.UNLIMITED}'
        )
        types = [_JSON_TYPES[each.type.kind] | None for each in columns]
        row = GenericAlias(tuple, (str, str, *types))
        return patiently(lambda: pinot.select_as(self._endpoints, query, row, TIMEOUT_SECONDS))

    def _page(self, columns: tuple[Column, ...], rows: list[tuple[Any, ...]]) -> pa.Table:
        by_column = list(zip(*rows, strict=True))
        arrays = [pa.array(by_column[0], pa.string()), pa.array(by_column[1], pa.string())]
        for column, values in zip(columns, by_column[2:], strict=True):
            wire = [_wire(column, value, milliseconds=True) for value in values]
            arrays.append(pa.array(wire, _ARROW_TYPES.get(column.type.kind, pa.string())))
        return pa.table(arrays, names=["_source", "_key", *(each.name for each in columns)])


def _listed(keys: Collection[str]) -> Iterator[str]:
    ordered = sorted(keys)
    for first in range(0, len(ordered), KEYS_AT_ONCE):
        yield ", ".join("'" + key.replace("'", "''") + "'" for key in ordered[first : first + KEYS_AT_ONCE])


def _wire(column: Column, value: Any, *, milliseconds: bool = False) -> Any:
    if value is None:
        return None
    match column.type.kind:
        case Kind.TIMESTAMP:
            return value if milliseconds else value * COARSE_US
        case Kind.DECIMAL:
            return f"{value:.{column.type.scale}f}"
        case Kind.DOUBLE:
            return float(value)
        case Kind.BOOLEAN:
            return value in (True, "true", 1)
        case Kind.JSON:
            return _compact(value)
        case _:
            return value


def _compact(text: str) -> str:
    # Pinot writes JSON anew.
    try:
        return canonical_json.dumps(canonical_json.loads(text))
    except Unmappable:
        return text
