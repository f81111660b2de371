"""The tables as everybody may see them: the same files without the personal columns, in a folder of their own.

Whoever may fetch a Parquet file reads all of its columns, so leaving columns out in a client would protect nobody.
Here each data file of a table has a twin without them, written once; a commit adds and removes twins as the table's
own commits added and removed files. The object store's policy lets data scientists read the twins and nothing else.
As everywhere in the lake, the application transaction is a fence: of two that publish at once one fails.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import structlog
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from dropless.contract import Contract
from dropless.lake import parquet
from dropless.lake.datafiles import files
from dropless.lake.merged import MERGED_UNTIL, merged_until
from dropless.lake.personal import personal
from dropless.lake.store import Store
from dropless.lake.table import CHECKPOINT_EVERY
from dropless.names import changes_table

log = structlog.get_logger()

ATTEMPTS: Final = 3
BATCH_ROWS: Final = 16_384
_APPLICATION: Final = "dropless:publish"
_HIDDEN: Final = "dropless.hidden"
_LOOK_BACK: Final = 50
"""Commits among which the newest publication is looked for: others are checkpoints' and vacuum's."""


@dataclass(frozen=True)
class Published:
    """What was done to a published table."""

    table: str
    added: int
    removed: int


def publish(store: Store, target: Store, contract: Contract) -> list[Published]:
    """Bring the published current state and changes of a unified table up to date.

    Raises:
        CommitFailedError: others were first again and again.
        OSError | DeltaError: the store does not answer.
    """
    hidden = personal(contract)
    state = _opened(store, contract.name)
    # Changes come after what was merged of them, or a reader of both could see a deleted row again.
    done = [publish_table(store, target, changes_table(contract.name), hidden)]
    if state is not None:
        done.append(publish_table(store, target, contract.name, hidden, state))
    return [each for each in done if each is not None]


def publish_table(
    store: Store, target: Store, folder: str, hidden: Collection[str], base: DeltaTable | None = None
) -> Published | None:
    """Bring one published table up to date with `base`, or with the newest version; None where there is no table.

    Raises:
        CommitFailedError: others were first again and again.
        OSError | DeltaError: the store does not answer.
    """
    for attempt in range(ATTEMPTS):
        base = base or _opened(store, folder)
        if base is None:
            return None
        try:
            return _publish(store, target, folder, frozenset(hidden), base)
        except (CommitFailedError, FileNotFoundError) as error:
            # Another publication was first, or vacuum has deleted what this version had.
            if attempt + 1 == ATTEMPTS:
                raise
            log.info("publishing again", table=folder, detail=str(error))
            base = None
    raise AssertionError("unreachable")


def publish_anew(store: Store, target: Store, contract: Contract, folder: str) -> None:
    """Publish one table of a contract from nothing: what was published of it, older versions too, is gone.

    Raises:
        CommitFailedError | OSError | DeltaError: as `publish_table`.
    """
    _empty(target, folder)
    publish_table(store, target, folder, personal(contract))


def _publish(store: Store, target: Store, folder: str, hidden: frozenset[str], base: DeltaTable) -> Published:
    cut = base.metadata().partition_columns
    visible = Schema([each for each in base.schema().fields if each.name not in hidden])
    twin = _twin(target, folder, base, visible, hidden)
    wanted, have = ({each.path: each for each in files(table)} for table in (base, twin))
    schema = pa.schema([each for each in pa.schema(visible.to_arrow()) if each.name not in cut])
    added = []
    for path, file in wanted.items():
        if path not in have and (written := _copy(store, target, folder, path, schema)):
            added.append(written.action(data_change=True, partition=file.partition))
    removed = [file.remove(data_change=True) for path, file in have.items() if path not in wanted]
    if added or removed:
        about = {_HIDDEN: orjson.dumps(sorted(hidden)).decode()}
        if (until := merged_until(base.history(_LOOK_BACK))) is not None:
            about[MERGED_UNTIL] = str(until)
        twin.create_write_transaction(
            [*added, *removed],
            "append",
            visible,
            partition_by=cut or None,
            commit_properties=CommitProperties(
                app_transactions=[Transaction(_APPLICATION, int(base.version()))], custom_metadata=about
            ),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )
        log.info("published", table=folder, added=len(added), removed=len(removed))
    return Published(folder, len(added), len(removed))


def _twin(target: Store, folder: str, base: DeltaTable, visible: Schema, hidden: frozenset[str]) -> DeltaTable:
    twin = _opened(target, folder)
    if twin is not None and _hidden(twin) not in (None, sorted(hidden)):
        # Its older versions have columns that are hidden now, or lack some that no longer are.
        log.warning("personal columns have changed: published anew", table=folder)
        twin = None
    types = {each.name: each.type for each in visible.fields}
    if twin is not None and any(types.get(each.name, each.type) != each.type for each in twin.schema().fields):
        # The table itself was written anew with wider columns, all of its files.
        log.warning("columns have other types: published anew", table=folder)
        twin = None
    if twin is None:
        _empty(target, folder)
        DeltaTable.create(
            target.uri(folder),
            visible,
            mode="ignore",
            partition_by=base.metadata().partition_columns or None,
            name=base.metadata().name,
            description=base.metadata().description,
            configuration={"delta.checkpointInterval": str(CHECKPOINT_EVERY)},
            storage_options=target.delta_options(),
        )
        return DeltaTable(target.uri(folder), storage_options=target.delta_options())
    known = {each.name for each in twin.schema().fields}
    if new := [each for each in visible.fields if each.name not in known]:
        twin.alter.add_columns(new)
        twin = DeltaTable(target.uri(folder), storage_options=target.delta_options())
    return twin


def _empty(target: Store, folder: str) -> None:
    filesystem = target.filesystem(folder)
    found = filesystem.get_file_info(pafs.FileSelector("", recursive=True, allow_not_found=True))
    files = [each.path for each in found if each.type is pafs.FileType.File]
    # The log first: files that it does not name are in no table.
    for path in sorted(files, key=lambda path: not path.startswith("_delta_log/")):
        filesystem.delete_file(path)


def _hidden(twin: DeltaTable) -> list[str] | None:
    """The columns that were hidden when it was last published; None where nothing was published yet."""
    for commit in twin.history(_LOOK_BACK):
        if (told := commit.get(_HIDDEN)) is not None:
            return list(orjson.loads(told)) if isinstance(told, str) else list(told)
    return None


def _copy(store: Store, target: Store, folder: str, path: str, schema: pa.Schema) -> parquet.Written | None:
    with store.filesystem(folder).open_input_file(path) as source, pq.ParquetFile(source) as file:
        there = [each for each in schema.names if each in file.schema_arrow.names]
        batches = (_whole(batch, schema) for batch in file.iter_batches(BATCH_ROWS, columns=there))
        return parquet.write(target.filesystem(folder), schema, batches, path)


def _whole(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch with every column of the schema: a file may be older than its table's newest columns."""

    def column(field: pa.Field) -> pa.Array:
        if field.name in batch.schema.names:
            return batch.column(field.name).cast(field.type)
        return pa.nulls(batch.num_rows, field.type)

    return pa.record_batch([column(field) for field in schema], schema=schema)


def _opened(store: Store, folder: str) -> DeltaTable | None:
    try:
        return DeltaTable(store.uri(folder), storage_options=store.delta_options())
    except TableNotFoundError:
        return None
