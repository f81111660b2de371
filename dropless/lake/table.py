"""The Delta table of changes as its writer holds it: data and Kafka positions in one commit.

An application transaction is a fence, not idempotence: the same version written twice lands twice.
So positions are read from a handle and the batch is written **through that same handle**; whoever
holds a stale one gets a `CommitFailedError`, reopens, and sees what is already in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction, WriterProperties
from deltalake import write_deltalake as write_delta
from deltalake.exceptions import TableNotFoundError

from dropless.errors import DroplessError
from dropless.lake.schema import DAY
from dropless.lake.store import Store

CHECKPOINT_EVERY = 100
"""Commits between checkpoints: opening a table reads at most this many log entries."""


class ChangesTable:
    """A handle on `<table>_changes`, opened anew after every failure."""

    def __init__(self, store: Store, name: str, topic: str, schema: pa.Schema, description: str = "") -> None:
        """Open the table, or make it.

        Raises:
            DroplessError: a column has another type in the lake than in the contract.
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
        self._merge = self._columns_differ(name)

    @property
    def version(self) -> int:
        """The version of the newest commit that this handle knows."""
        return int(self._table.version())

    def positions(self, partitions: Iterable[int]) -> dict[int, int]:
        """The next offset to write, per partition of the topic; absent where nothing was ever written."""
        found = {number: self._table.transaction_version(self._application(number)) for number in partitions}
        return {number: version for number, version in found.items() if version is not None}

    def append(self, data: pa.Table, positions: Mapping[int, int]) -> None:
        """Write rows and positions (next offsets) in one commit.

        Raises:
            CommitFailedError: another writer committed positions of the same partitions.
            OSError | DeltaError: the store does not answer; whether it was written is unknown.
        """
        transactions = [Transaction(self._application(number), offset) for number, offset in positions.items()]
        write_delta(
            self._table,
            data,
            mode="append",
            schema_mode="merge" if self._merge else None,
            writer_properties=WriterProperties(compression="ZSTD", compression_level=1),
            commit_properties=CommitProperties(app_transactions=transactions),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )

    def _application(self, partition: int) -> str:
        return f"dropless:{self._topic}:{partition}"

    def _columns_differ(self, name: str) -> bool:
        # Delta's own types: it keeps no difference between Arrow's 32- and 64-bit strings and the like.
        lake = {field.name: field.type for field in self._table.schema().fields}
        declared = {field.name: field.type for field in Schema.from_arrow(self._schema).fields}
        for column in sorted(lake.keys() & declared.keys()):
            if lake[column] != declared[column]:
                raise DroplessError(
                    f"Column {column!r} of lake table {name!r} is {lake[column]} but the contract says "
                    f"{declared[column]}: a column cannot change its type; give it a new name."
                )
        return list(lake) != list(declared)
