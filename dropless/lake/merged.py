"""The Delta table of the current state as its merge holds it: rows and progress in one commit.

As with the table of changes, an application transaction is a fence: progress is read from a handle, and
what follows from it is committed **through that same handle**. Whoever rewrites files of this table, be it
to merge or to compact, commits the same transaction, so that of two at work one fails and looks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from dropless.errors import DroplessError
from dropless.lake.datafiles import DataFile, files
from dropless.lake.parquet import Written
from dropless.lake.store import Store
from dropless.lake.table import CHECKPOINT_EVERY
from dropless.lake.widening import widen, widens

MERGED_UNTIL: Final = "dropless.merged_until"
"""In a commit's information: when the newest change in it was committed to the table of changes (ms since 1970)."""
KEY: Final = "_key"
POSITION: Final = "_position"
_NOTHING: Final = -1


class MergedTable:
    """A handle on `<table>`, opened anew for every commit."""

    def __init__(self, store: Store, name: str, changes: DeltaTable, schema: pa.Schema, description: str = "") -> None:
        """Open the table or make it, with the columns of `schema`, as wide as they are there.

        Raises:
            DroplessError: a column has another type in the table of changes, which is not wider.
            CommitFailedError: a merge changed files while columns became wider.
            OSError | DeltaError: the store does not answer.
        """
        self._store = store
        self._name = name
        self._changes = changes
        self._application = _application(changes)
        uri, options = store.uri(name), store.delta_options()
        try:
            self._table = DeltaTable(uri, storage_options=options)
        except TableNotFoundError:
            DeltaTable.create(
                uri,
                schema,
                mode="ignore",
                name=name,
                description=description or None,
                configuration={"delta.checkpointInterval": str(CHECKPOINT_EVERY)},
                storage_options=options,
            )
            self._table = DeltaTable(uri, storage_options=options)
        self._grow(schema)

    @property
    def delta(self) -> DeltaTable:
        """The table itself."""
        return self._table

    @property
    def schema(self) -> pa.Schema:
        """The columns with their types and meaning."""
        return pa.schema(self._table.schema().to_arrow())

    def progress(self) -> int | None:
        """The version up to which the table of changes is merged; None before the first time."""
        return self.progress_of(self._table, self._changes)

    @staticmethod
    def progress_of(table: DeltaTable, changes: DeltaTable) -> int | None:
        """The same of any handles."""
        version = table.transaction_version(_application(changes))
        return None if version is None or version == _NOTHING else int(version)

    def files(self) -> list[DataFile]:
        """Every data file of this version."""
        return files(self._table)

    def commit(
        self,
        added: Sequence[Written],
        removed: Sequence[DataFile],
        progress: int | None,
        about: Mapping[str, Any],
        *,
        data_change: bool = True,
    ) -> None:
        """Replace files by others and note the progress, in one commit.

        Raises:
            CommitFailedError: another merge or compaction was first.
            OSError | DeltaError: the store does not answer; whether it was committed is unknown.
        """
        actions: list[AddAction | RemoveAction] = [each.action(data_change=data_change) for each in added]
        actions += [each.remove(data_change=data_change) for each in removed]
        self._table.create_write_transaction(
            actions,
            "append",
            self._table.schema(),
            commit_properties=CommitProperties(
                app_transactions=[Transaction(self._application, _NOTHING if progress is None else progress)],
                custom_metadata={name: str(value) for name, value in about.items()},
            ),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )

    def _grow(self, schema: pa.Schema) -> None:
        have = {field.name: field.type for field in self.schema}
        wider = {each.name: each.type for each in schema if each.name in have and have[each.name] != each.type}
        for name, kind in wider.items():
            if not widens(have[name], kind):
                raise DroplessError(
                    f"Column {name!r} of lake table {self._name!r} is {have[name]} but {kind} in its changes: move the "
                    "lake table away, and it is merged anew from all changes."
                )
        if wider:
            widen(self._store, self._name, wider)
        new = [each for each in Schema.from_arrow(schema).fields if each.name not in have]
        if new:
            self._table.alter.add_columns([Field(each.name, each.type, metadata=each.metadata) for each in new])
        if wider or new:
            self._table = DeltaTable(self._store.uri(self._name), storage_options=self._store.delta_options())


def _application(changes: DeltaTable) -> str:
    # A table of changes that was made anew counts its versions from 0 again.
    return f"dropless:merge:{changes.metadata().id}"


def merged_until(commits: Iterable[Mapping[str, Any]]) -> int | None:
    """When the newest change in a table with this history was committed to its table of changes (ms since 1970)."""
    for commit in commits:
        if (told := commit.get(MERGED_UNTIL)) is not None:
            return int(orjson.loads(told)) if isinstance(told, str) else int(told)
    return None
