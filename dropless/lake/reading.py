"""One table of the lake at one version, read with columns and filters pushed down to its files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.dataset as pads
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from dropless.errors import DroplessError
from dropless.lake.catalogue import Entry, nearest, unreachable
from dropless.lake.current import register_computed, register_now
from dropless.lake.deltalog import committed_until, history
from dropless.lake.engine import connect, query, quoted
from dropless.lake.merged import merged_until
from dropless.lake.result import BATCH_ROWS, Result, pandas, polars
from dropless.lake.scan import ALL_AT_ONCE, live
from dropless.lake.schema import comment
from dropless.lake.store import Store

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


# So many commits are looked through for one that a merge made: others are compactions.
_LOOK_BACK = 20
# What MinIO and other stores answer, as delta-rs tells it.
_REFUSALS = ("AccessDenied", "403 Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch")


class ColumnInfo(NamedTuple):
    """A column of a table."""

    name: str
    type: str
    description: str


class LakeTable:
    """A table pinned to one version: every read of it sees the same rows."""

    def __init__(
        self, store: Store, entry: Entry, version: int | datetime | None = None, *, exactly_now: bool = False
    ) -> None:
        """Open the table, by default as it is now.

        Raises:
            DroplessError: there is no such version, or the lake does not answer.
        """
        self._store = store
        self._entry = entry
        self._options = store.delta_options(patient=False)
        # What is computed from all changes is as new as can be.
        self._exactly_now = exactly_now and not entry.current_state
        with answering(entry.name, store):
            self._delta = DeltaTable(store.uri(entry.folder), storage_options=self._options)
            if version is not None:
                self._go_back(version)

    @property
    def name(self) -> str:
        """The table's name."""
        return self._entry.name

    @property
    def version(self) -> int:
        """The version of the Delta table that is read."""
        return int(self._delta.version())

    @property
    def description(self) -> str:
        """What a row of it is."""
        return self._delta.metadata().description or ""

    @property
    def schema(self) -> pa.Schema:
        """The columns with their types, and in their metadata what each means."""
        schema = self._dataset().schema
        if self._entry.current_state:
            schema = schema.remove(schema.get_field_index("_committed_on"))
        return schema

    @property
    def columns(self) -> list[str]:
        """The columns' names."""
        return list(self.schema.names)

    def describe(self) -> list[ColumnInfo]:
        """The columns with their types and meaning; `pandas.DataFrame` takes the list."""
        return [ColumnInfo(field.name, str(field.type), comment(field)) for field in self.schema]

    def now(self) -> Self:
        """The current state with the changes that are not merged yet: as new as the lake is.

        Raises:
            DroplessError: the table is not one that is merged from changes.
        """
        if self._entry.changes is None:
            raise DroplessError(f"Table {self.name!r} is not merged from changes: it is read as it stands.")
        return type(self)(self._store, self._entry, exactly_now=True)

    @property
    def fresh_until(self) -> datetime | None:
        """When the newest change in it was committed to the lake; None where that is not told."""
        if self._entry.changes is None or self._entry.current_state:
            newest: datetime = self.history(1)[0]["timestamp"]
            return newest
        if self._exactly_now:
            changes = DeltaTable(self._store.uri(self._entry.changes), storage_options=self._options)
            return datetime.fromtimestamp(changes.history(1)[0]["timestamp"] / 1000, UTC)
        told = merged_until(self._commits(_LOOK_BACK))
        return None if told is None else datetime.fromtimestamp(told / 1000, UTC)

    def as_of(self, when: int | str | datetime) -> Self:
        """The table as the lake had it at a version, or at a moment (ISO 8601; UTC unless it says otherwise).

        Raises:
            DroplessError: the moment is unreadable, or before the table's first version.
        """
        return type(self)(self._store, self._entry, when if isinstance(when, int) else _moment(when))

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The newest commits first: version, timestamp (UTC), operation, rows."""
        commits = []
        for commit in self._commits(limit):
            metrics = commit.get("operationMetrics") or {}
            commits.append(
                {
                    "version": commit["version"],
                    "timestamp": datetime.fromtimestamp(commit["timestamp"] / 1000, UTC),
                    "operation": commit.get("operation"),
                    "rows": metrics.get("num_added_rows"),
                }
            )
        return commits

    def _commits(self, limit: int | None) -> list[dict[str, Any]]:
        with answering(self.name, self._store):
            newest = DeltaTable(self._store.uri(self._entry.folder), storage_options=self._options)
            return history(self._delta, newest, limit)

    def select(self, columns: Sequence[str] | None = None, where: str | None = None) -> Result:
        """Some columns of the rows that fulfil an SQL condition, when they are asked for.

        Raises:
            DroplessError: there is no such column, or the condition is no SQL.
        """
        connection = connect()
        self.register(connection)
        chosen = ", ".join(quoted(column) for column in self._checked(columns))
        condition = f"where {where}" if where else ""
        # The reader's own SQL, on the reader's own rights, in a database of its own.
        return query(connection, f"select {chosen} from {quoted(self.name)} {condition}")  # noqa: S608

    def to_arrow(self, columns: Sequence[str] | None = None, where: str | None = None) -> pa.Table:
        """The rows as a PyArrow table."""
        if where or self._computed:
            return self.select(columns, where).to_arrow()
        return self._dataset().to_table(columns=self._checked(columns), **ALL_AT_ONCE)

    def to_pandas(self, columns: Sequence[str] | None = None, where: str | None = None) -> pd.DataFrame:
        """The rows as a pandas frame with Arrow types: integers with nulls stay integers, decimals exact."""
        return pandas(self.to_arrow(columns, where))

    def to_polars(self, columns: Sequence[str] | None = None, where: str | None = None) -> pl.DataFrame:
        """The rows as a Polars frame."""
        return polars(self.to_arrow(columns, where))

    def batches(
        self, columns: Sequence[str] | None = None, where: str | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """The rows in batches of about so many: for more than fits into memory."""
        return self.select(columns, where).batches(rows)

    def duckdb(self) -> DuckDBPyRelation:
        """The table as a DuckDB relation, to be refined further."""
        return self.select().duckdb()

    def register(self, connection: DuckDBPyConnection, name: str | None = None) -> None:
        """Make the table known to a DuckDB connection by its name, or by another."""
        name = name or self.name
        if self._exactly_now and self._entry.changes:
            with answering(self.name, self._store):
                register_now(connection, self._store, self.name, self._entry.changes, name)
        elif self._entry.current_state:
            register_computed(connection, name, self._dataset())
        else:
            connection.register(name, self._dataset())

    def rows_if_known(self) -> int | None:
        """The number of rows where it stands in the files' metadata, and needs no reading of rows."""
        return None if self._computed else int(self._dataset().count_rows())

    def files(self) -> dict[str, int]:
        """The data files of this version, and their bytes."""
        actions = pa.table(self._delta.get_add_actions())
        return dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True))

    def __len__(self) -> int:
        known = self.rows_if_known()
        return len(self.to_arrow(["_key"])) if known is None else known

    def __repr__(self) -> str:
        return f"LakeTable({self.name!r}, version={self.version}, columns={self.columns})"

    @property
    def _computed(self) -> bool:
        return self._entry.current_state or self._exactly_now

    def _go_back(self, version: int | datetime) -> None:
        newest = self.version
        if isinstance(version, int) and not 0 <= version <= newest:
            raise DroplessError(f"Table {self.name!r} has no version {version}; the newest is {newest}.")
        if isinstance(version, datetime):
            # Going back beyond the first version would silently give the first.
            made = datetime.fromtimestamp(self._delta.metadata().created_time / 1000, UTC)
            if version < made:
                raise DroplessError(f"Table {self.name!r} was made at {made.isoformat()}, after {version.isoformat()}.")
        self._delta.load_as_version(version)
        if isinstance(version, datetime):
            # delta-rs goes by when the store wrote the log, `history` by what the log says.
            log = self._store.filesystem(self._entry.folder)
            moment = int(version.timestamp() * 1000)
            self._delta.load_as_version(committed_until(log, self.version, newest, moment))

    def _dataset(self) -> pads.Dataset:
        # Arrow's own S3 client: delta-rs's calls back into Python from threads that outlive it when a read fails.
        return live(self._store, self._entry.folder, self._delta)

    def _checked(self, columns: Sequence[str] | None) -> list[str]:
        known = self.columns
        for column in columns or ():
            if column not in known:
                raise DroplessError(f"Table {self.name!r} has no column {column!r}{nearest(column, known)}")
        return list(columns) if columns is not None else known


@contextlib.contextmanager
def answering(name: str, store: Store) -> Iterator[None]:
    """What goes wrong when a table is opened, as one sentence.

    Raises:
        DroplessError: it cannot be read, or the lake does not answer.
    """
    try:
        yield
    except DeltaError as error:
        raise DroplessError(f"Table {name!r} cannot be read: {error}.") from None
    except OSError as error:
        if any(each in str(error) for each in _REFUSALS):
            raise DroplessError(
                f"Table {name!r} cannot be read: {store.endpoint} refused {store.access_key!r}. Tables with personal "
                "columns take credentials that may see them."
            ) from None
        raise unreachable(store) from None


def _moment(when: str | datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(when) if isinstance(when, str) else when
    except ValueError:
        raise DroplessError(
            f"{when!r} is no moment; write it as 2026-11-01T00:00:00Z, or give a version's number."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
