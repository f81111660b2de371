"""The Delta table of changes as its writer holds it: data and Kafka positions in one commit.

An application transaction is a fence, not idempotence: the same version written twice lands twice.
So positions are read from a handle and the batch is written **through that same handle**; whoever
holds a stale one gets a `CommitFailedError`, reopens, and sees what is already in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake import write_deltalake as write_delta
from deltalake.exceptions import TableNotFoundError

from dropless.errors import DroplessError
from dropless.lake.parquet import writer_properties
from dropless.lake.schema import DAY
from dropless.lake.store import Store
from dropless.lake.widening import widen, widens

CHECKPOINT_EVERY = 100
"""Commits between checkpoints: opening a table reads at most this many log entries."""


def application(topic: str, partition: int) -> str:
    """Under which name a table remembers how far it has a partition of a topic."""
    return f"dropless:{topic}:{partition}"


class ChangesTable:
    """A handle on `<table>_changes`, opened anew after every failure."""

    def __init__(self, store: Store, name: str, topic: str, schema: pa.Schema, description: str = "") -> None:
        """Open the table, or make it; its columns become as wide as they are declared.

        Raises:
            DroplessError: a column has another type in the lake, which is not narrower than in the contract.
            CommitFailedError: another writer made the columns wider at the same time.
            OSError | DeltaError: the store does not answer.
        """
        self._topic = topic
        self._schema = schema
        uri, options = store.uri(name), store.delta_options()
        try:
            self._table = DeltaTable(uri, storage_options=options)
        except TableNotFoundError:
            # Of two writers that make it at once, the loser opens the winner's.
            self._table = DeltaTable.create(
                uri,
                schema,
                mode="ignore",
                partition_by=[DAY],
                name=name,
                description=description or None,
                configuration={"delta.checkpointInterval": str(CHECKPOINT_EVERY)},
                storage_options=options,
            )
            self._table = DeltaTable(uri, storage_options=options)
        if wider := self._wider(name):
            widen(store, name, wider)
            self._table = DeltaTable(uri, storage_options=options)
        self._merge = [each.name for each in self._table.schema().fields] != schema.names

    @property
    def version(self) -> int:
        """The version of the newest commit that this handle knows."""
        return int(self._table.version())

    def positions(self, partitions: Iterable[int]) -> dict[int, int]:
        """The next offset to write, per partition of the topic; absent where nothing was ever written."""
        found = {number: self._table.transaction_version(application(self._topic, number)) for number in partitions}
        return {number: version for number, version in found.items() if version is not None}

    def append(self, data: pa.Table, positions: Mapping[int, int]) -> None:
        """Write rows and positions (next offsets) in one commit.

        Raises:
            CommitFailedError: another writer committed positions of the same partitions.
            OSError | DeltaError: the store does not answer; whether it was written is unknown.
        """
        transactions = [Transaction(application(self._topic, number), offset) for number, offset in positions.items()]
        write_delta(
            self._table,
            data,
            mode="append",
            schema_mode="merge" if self._merge else None,
            writer_properties=writer_properties(data),
            commit_properties=CommitProperties(app_transactions=transactions),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )

    def _wider(self, name: str) -> dict[str, pa.DataType]:
        """The columns that are narrower in the lake than declared, with their declared types."""
        found: dict[str, pa.DataType] = {}
        # Delta's own types: it keeps no difference between Arrow's 32- and 64-bit strings and the like.
        lake = {each.name: each for each in self._table.schema().fields}
        declared = {each.name: each for each in Schema.from_arrow(self._schema).fields}
        for column in sorted(lake.keys() & declared.keys()):
            if lake[column].type == declared[column].type:
                continue
            after = self._schema.field(column).type
            if not widens(pa.schema(self._table.schema().to_arrow()).field(column).type, after):
                raise DroplessError(
                    f"Column {column!r} of lake table {name!r} is {lake[column].type} but the contract says "
                    f"{declared[column].type}, which does not hold every value of it: give it a new name."
                )
            found[column] = after
        return found
