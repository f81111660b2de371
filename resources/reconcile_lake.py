"""The lake's current state as reconciliation reads it: what is merged, and every change since."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from duckdb import DuckDBPyConnection

from dropless import names
from dropless.contract import Contract
from dropless.contract.column_type import Kind
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lag import Position
from dropless.lake import damage
from dropless.lake.current import register_now
from dropless.lake.datafiles import files
from dropless.lake.engine import bounded, quoted
from dropless.lake.store import Store
from dropless.lake.table import application
from dropless.reconciliation.canonical import Split, Values
from dropless.reconciliation.pairs import Pairs
from dropless.reconciliation.where import Where
from dropless.union.moments import EPOCH, MICROSECOND

NAME: Final = "lake"


class Unreadable(DroplessError):
    """A file of the lake is gone or broken: what it held cannot be compared, and cannot be pulled either."""


class LakeSide:
    """One table, read with the rights of the pipeline."""

    def __init__(self, endpoints: Endpoints, contract: Contract) -> None:
        """Nothing is asked yet."""
        self._store = Store.pipeline(endpoints)
        self._contract = contract

    def collect(self, pairs: Pairs, splits: dict[str, Split], *, keys_only: bool, where: Where | None = None) -> int:
        """Put the keys and hashes of rows among the pairs; the version of the changes that was read.

        Of every row, or of those that `where` chooses.

        Raises:
            Unreadable: a data file is gone or broken.
            DroplessError: the lake does not answer, or lacks the table.
        """
        with self._answering():
            self._look_at_changes()
            version = self._register(pairs.database)
            rows = quoted(self._contract.name)
            if where is not None:
                rows = f"(select * from {rows} where {where.in_duckdb()})"  # noqa: S608 - names and values, quoted
            pairs.add_relation(NAME, rows, splits, keys=keys_only)
        return version

    def rows(self, keys: Collection[str]) -> tuple[dict[str, Values], set[str]]:
        """The rows of these keys as they are now, and the keys that are there more than once.

        Raises:
            Unreadable | DroplessError: as `collect`.
        """
        columns = ", ".join(["_key", *(quoted(each.name) for each in self._contract.columns)])
        with self._answering(), bounded() as database:
            self._register(database)
            database.register("wanted", pa.table({"_key": sorted(keys)}))
            select = f"select {columns} from {quoted(self._contract.name)} semi join wanted using (_key)"  # noqa: S608 - quoted
            rows = database.sql(select).to_arrow_table().to_pylist()
        kinds = {each.name: each.type.kind for each in self._contract.columns}
        found: dict[str, Values] = {}
        doubled: set[str] = set()
        for row in rows:
            key = row.pop("_key")
            doubled |= {key} & found.keys()
            found[key] = {name: _wire(kinds[name], value) for name, value in row.items()}
        return found, doubled

    def position(self) -> dict[Position, int]:
        """How far the lake has read the unified topic at least."""
        folder, topic = names.changes_table(self._contract.name), names.unified_topic(self._contract.name)
        with self._answering():
            changes = DeltaTable(self._store.uri(folder), storage_options=self._store.delta_options(patient=False))
            places = [(topic, number) for number in range(self._contract.partitions)]
            return {place: changes.transaction_version(application(*place)) or 0 for place in places}

    def origins(self, keys: Collection[str]) -> dict[str, tuple[str, int, int]]:
        """The raw records (topic, partition, offset) that these rows were made of."""
        with self._answering(), bounded() as database:
            self._register(database)
            database.register("wanted", pa.table({"_key": sorted(keys)}))
            columns = '_key, _topic, _partition, "_offset"'
            select = f"select {columns} from {quoted(self._contract.name)} semi join wanted using (_key)"  # noqa: S608 - quoted
            return {key: (topic, number, offset) for key, topic, number, offset in database.execute(select).fetchall()}

    def _look_at_changes(self) -> None:
        """See that every file of the changes is there and whole, by its size and its end: only few are read here."""
        folder = names.changes_table(self._contract.name)
        changes = DeltaTable(self._store.uri(folder), storage_options=self._store.delta_options(patient=False))
        broken = damage.damaged(self._store, folder, files(changes), whole=False)
        if broken:
            more = f", and {len(broken) - 1:,} more" if len(broken) > 1 else ""
            raise Unreadable(f"A data file of the lake's {folder!r} is gone or broken: {broken[0].path}{more}.")

    def _register(self, database: DuckDBPyConnection) -> int:
        table = self._contract.name
        return register_now(database, self._store, table, names.changes_table(table))

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except TableNotFoundError:
            raise DroplessError(f"The lake has no table {self._contract.name!r} yet.") from None
        except FileNotFoundError as error:
            raise Unreadable(f"A data file of the lake is gone: {error}.") from error
        except (pa.ArrowInvalid, duckdb.Error) as error:
            raise Unreadable(f"A data file of the lake cannot be read: {_first_line(error)}.") from error
        except (DeltaError, OSError) as error:
            if damage.breaks(error):
                raise Unreadable(f"A data file of the lake cannot be read: {_first_line(error)}.") from error
            raise DroplessError(f"The lake does not answer: {_first_line(error)}.") from error


def _wire(kind: Kind, value: Any) -> Any:
    if kind is Kind.TIMESTAMP and isinstance(value, datetime):
        return (value.astimezone(UTC) - EPOCH) // MICROSECOND
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
