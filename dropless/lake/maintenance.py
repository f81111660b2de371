"""Keeping the lake's tables small: few files, no dead ones, a short log; and telling how they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.fs as pafs
import structlog
from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from dropless import names
from dropless.lake.datafiles import DataFile
from dropless.lake.deltalog import OPERATION
from dropless.lake.merge import ATTEMPTS
from dropless.lake.merged import MergedTable
from dropless.lake.parquet import Written
from dropless.lake.parquet import write as write_parquet
from dropless.lake.pending import pending, row_schema
from dropless.lake.rewriting import BATCH_ROWS
from dropless.lake.scan import of_files
from dropless.lake.store import Store

log = structlog.get_logger()

TARGET_BYTES: Final = 128 * 1024 * 1024
"""Files of the append-only tables are brought together up to this size."""
SMALL_BYTES: Final = 16 * 1024 * 1024
"""A file below this is small. The current state's files stay small enough that a merge writes few bytes."""
_FEW: Final = 4
"""So many small files of the current state are left alone: one is the merge's to fill."""
_COMPACTED: Final = WriterProperties(compression="ZSTD", compression_level=3)


@dataclass(frozen=True)
class Statistics:
    """A table as it is now."""

    table: str
    version: int
    rows: int
    files: int
    bytes: int
    small_files: int
    log_entries: int


def tables_of(table: str) -> tuple[str, str, str]:
    """The folders that a unified table has in the lake: changes, current state, merged deletions."""
    return names.changes_table(table), table, names.deletions_table(table)


def statistics(store: Store, table: str) -> list[Statistics]:
    """How those of a table's folders are that exist.

    Raises:
        OSError | DeltaError: the store does not answer.
    """
    return [_told(store, folder, delta) for folder, delta in _existing(store, *tables_of(table))]


def compact(store: Store, table: str) -> None:
    """Bring small files together; readers and the writer go on meanwhile.

    Raises:
        CommitFailedError: merges were first again and again.
        OSError | DeltaError: the store does not answer.
    """
    changes, current, gone = tables_of(table)
    for folder, delta in _existing(store, changes, gone):
        # One at a time: memory for one file of the target's size.
        done = delta.optimize.compact(target_size=TARGET_BYTES, max_concurrent_tasks=1, writer_properties=_COMPACTED)
        log.info("compacted", table=folder, added=done["numFilesAdded"], removed=done["numFilesRemoved"])
    for attempt in range(ATTEMPTS):
        try:
            _consolidate(store, current, changes)
        except CommitFailedError:
            if attempt + 1 == ATTEMPTS:
                raise
        else:
            return


def clean(store: Store, table: str, keep_days: int, *, waits: float | None = None) -> dict[str, int]:
    """Delete what nobody can need any more, and shorten the logs; deleted files by table.

    A version is readable for `keep_days`: what is not part of one that young is deleted, and so is what a
    killed process left. The table of changes is left alone while its unmerged changes (waiting for `waits`
    seconds) are more than half as old as that.

    Raises:
        OSError | DeltaError: the store does not answer.
    """
    hours = keep_days * 24
    deleted = {}
    for folder, _ in _existing(store, *tables_of(table)):
        if folder == names.changes_table(table) and waits is not None and waits > hours * 3600 / 2:
            log.warning("not vacuumed: changes wait to be merged", table=folder, seconds=round(waits))
            continue
        delta = _keeping(store, folder, keep_days)
        gone = delta.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
        deleted[folder] = len(gone)
        delta = DeltaTable(store.uri(folder), storage_options=store.delta_options())
        delta.create_checkpoint()
        delta.cleanup_metadata()
    return deleted


def waiting_seconds(store: Store, table: str, now: float) -> float | None:
    """For how long the oldest change has been waiting to be merged; None where none is.

    Raises:
        OSError | DeltaError: the store does not answer.
    """
    folder = names.changes_table(table)
    found = dict(_existing(store, folder, table))
    if folder not in found:
        return None
    merged = MergedTable.progress_of(found[table], found[folder]) if table in found else None
    oldest = pending(store, folder, found[folder], merged).oldest
    return None if oldest is None else max(0.0, now - oldest)


def _keeping(store: Store, folder: str, days: int) -> DeltaTable:
    delta = DeltaTable(store.uri(folder), storage_options=store.delta_options())
    wanted: Mapping[str, str] = {
        "delta.logRetentionDuration": f"interval {days} days",
        "delta.deletedFileRetentionDuration": f"interval {days} days",
    }
    if any(delta.metadata().configuration.get(name) != value for name, value in wanted.items()):
        delta.alter.set_table_properties(dict(wanted))
    return delta


def _consolidate(store: Store, current: str, changes: str) -> None:
    found = dict(_existing(store, changes, current))
    if len(found) < 2:
        return
    target = MergedTable(store, current, found[changes], row_schema(found[changes]))
    small = sorted((each for each in target.files() if each.bytes < SMALL_BYTES), key=lambda each: each.bytes)
    if len(small) <= _FEW:
        return
    filesystem = store.filesystem(current)
    added: list[Written] = []
    removed: list[DataFile] = []
    for group in _groups(small):
        source = of_files(store, current, [each.path for each in group], target.schema)
        written = write_parquet(
            filesystem, target.schema, source.to_batches(batch_size=BATCH_ROWS, fragment_readahead=1)
        )
        added += [written] if written else []
        removed += group
    # The same rows in other files, fenced against merges as a merge is.
    target.commit(added, removed, target.progress(), {OPERATION: "compact"}, data_change=False)
    log.info("compacted", table=current, added=len(added), removed=len(removed))


def _groups(small: list[DataFile]) -> Iterator[list[DataFile]]:
    group: list[DataFile] = []
    for each in small:
        group.append(each)
        if sum(file.bytes for file in group) >= 2 * SMALL_BYTES:
            yield group
            group = []
    if len(group) > 1:
        yield group


def _existing(store: Store, *folders: str) -> Iterator[tuple[str, DeltaTable]]:
    for folder in folders:
        try:
            yield folder, DeltaTable(store.uri(folder), storage_options=store.delta_options())
        except TableNotFoundError:
            continue


def _told(store: Store, folder: str, delta: DeltaTable) -> Statistics:
    actions = pa.table(delta.get_add_actions())
    sizes = actions["size_bytes"].to_pylist()
    entries = store.filesystem(folder).get_file_info(pafs.FileSelector("_delta_log"))
    return Statistics(
        table=folder,
        version=int(delta.version()),
        rows=sum(each or 0 for each in actions["num_records"].to_pylist()),
        files=len(sizes),
        bytes=sum(sizes),
        small_files=sum(1 for each in sizes if each < SMALL_BYTES),
        log_entries=len(entries),
    )
