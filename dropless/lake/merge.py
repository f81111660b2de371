"""Merging changes into the current state: of every key the newest `_position` wins, whatever comes when.

A merge is a row of rounds. A round reads some new files of the table of changes, takes the newest change of each
key, finds which files of the current state hold those keys, writes these files anew, and commits files and
progress together. So it may die anywhere: what was not committed is done again, and merging a change twice
changes nothing. Memory is bounded: by the newest changes of one round, and a row group per file written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import structlog
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from dropless import names
from dropless.fault_points import pass_by
from dropless.lake.deletions import Deletions
from dropless.lake.deltalog import OPERATION, Added
from dropless.lake.fault_points import Point, Reached
from dropless.lake.merged import MERGED_UNTIL, MergedTable
from dropless.lake.pending import Pending, everything, pending, row_schema
from dropless.lake.rewriting import BATCH_ROWS, Rewriting
from dropless.lake.scan import of_files
from dropless.lake.store import Store

log = structlog.get_logger()

ROUND_BYTES: Final = 32 * 1024 * 1024
"""Of the new files' compressed bytes, so much is merged in one round."""
PART_BYTES: Final = 160 * 1024 * 1024
"""Of their rows in memory, so much: a round that turns out larger commits in parts."""
ATTEMPTS: Final = 5


@dataclass(frozen=True)
class Summary:
    """What a merge did."""

    changes: int = 0
    written: int = 0
    deleted: int = 0
    superseded: int = 0
    commits: int = 0
    files_added: int = 0
    files_removed: int = 0
    conflicts: int = 0
    seconds: float = 0.0
    version: int | None = None
    """The version of the current state afterwards; None while there are no changes."""
    merged_until: int | None = None
    """When the newest change in it was committed to the table of changes (ms since 1970), if this merge knows."""

    def plus(self, other: Summary) -> Summary:
        """Both together; what is told of the end is the later one's."""
        counted = ("changes", "written", "deleted", "superseded", "commits", "files_added", "files_removed")
        until = other.merged_until if other.merged_until is not None else self.merged_until
        sums = {name: getattr(self, name) + getattr(other, name) for name in counted}
        return replace(other, merged_until=until, **sums)


class Merge:
    """Merges one table's changes; any number of them may work at once."""

    def __init__(self, store: Store, table: str, description: str = "", reached: Reached = pass_by) -> None:
        self._store = store
        self._table = table
        self._description = description
        self._reached = reached
        self._folder = names.changes_table(table)

    def run(self) -> Summary:
        """Merge everything that has come until now.

        Raises:
            DroplessError: a column has another type in the changes than in the current state.
            CommitFailedError: others were first again and again.
            OSError | DeltaError: the store does not answer.
        """
        began = time.monotonic()
        total = Summary()
        conflicts = 0
        try:
            changes = DeltaTable(self._store.uri(self._folder), storage_options=self._store.delta_options())
        except TableNotFoundError:
            return total
        while True:
            try:
                done = self._session(changes)
            except CommitFailedError as error:
                conflicts += 1
                if conflicts == ATTEMPTS:
                    raise
                log.info("another merge was first; looking again", table=self._table, detail=str(error))
                continue
            except FileNotFoundError as error:
                conflicts += 1
                if conflicts == ATTEMPTS:
                    raise
                # Vacuum has deleted what compaction had replaced: the same rows lie in live files.
                log.warning("a file of the changes is gone; merging all", table=self._table, detail=str(error))
                done = self._session(changes, anew=True)
            total = total.plus(done)
            if done.commits == 0:
                return replace(total, conflicts=conflicts, seconds=time.monotonic() - began)

    def _session(self, changes: DeltaTable, *, anew: bool = False) -> Summary:
        """One group of new commits, merged; without commits where nothing is left."""
        target = self._open(changes)
        merged = target.progress()
        waiting = everything(changes) if anew else pending(self._store, self._folder, changes, merged)
        group = _first_group(waiting)
        if not group or (merged is not None and merged >= waiting.until):
            return Summary(version=int(target.delta.version()))
        until = group[-1].timestamp
        total = Summary()
        source = of_files(self._store, self._folder, [path for each in group for path in each.files], target.schema)
        parts = _with_last(_parts(source.to_batches(batch_size=BATCH_ROWS, fragment_readahead=1), target.schema))
        for part, last in parts:
            if total.commits:
                target = self._open(changes)
                if target.progress() != merged:
                    # Another merge has overtaken this one: what it did is done.
                    break
            progress = group[-1].version if last else merged
            total = total.plus(self._merge(target, part, progress, until))
        return replace(total, merged_until=until)

    def _open(self, changes: DeltaTable) -> MergedTable:
        return MergedTable(self._store, self._table, changes, row_schema(changes), self._description)

    def _merge(self, target: MergedTable, part: pa.Table, progress: int | None, until: int) -> Summary:
        rewriting = Rewriting(self._store, self._table, target.files(), target.schema)
        found = rewriting.locate(part)
        deleted = found.rows.filter(found.rows["_deleted"])
        self._reached(Point.BEFORE_DELETIONS)
        if deleted.num_rows:
            Deletions(self._store, self._table).add(deleted)
        self._reached(Point.AFTER_DELETIONS)
        added, removed = rewriting.rewrite(found)
        self._reached(Point.AFTER_FILES)
        self._reached(Point.BEFORE_COMMIT)
        about = {MERGED_UNTIL: until, "dropless.changes": part.num_rows, OPERATION: "merge"}
        target.commit(added, removed, progress, about)
        self._reached(Point.AFTER_COMMIT)
        return Summary(
            changes=part.num_rows,
            written=found.rows.num_rows - deleted.num_rows,
            deleted=deleted.num_rows,
            superseded=found.read - found.rows.num_rows,
            commits=1,
            files_added=len(added),
            files_removed=len(removed),
            version=int(target.delta.version()) + 1,
        )


def _first_group(waiting: Pending) -> list[Added]:
    group: list[Added] = []
    size = 0
    for each in waiting.commits:
        if group and size + each.bytes > ROUND_BYTES:
            break
        group.append(each)
        size += each.bytes
    return group


def _parts(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    gathered: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        gathered.append(batch)
        size += batch.nbytes
        if size >= PART_BYTES:
            yield pa.Table.from_batches(gathered, schema)
            gathered, size = [], 0
    if gathered:
        yield pa.Table.from_batches(gathered, schema)


def _with_last(parts: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, bool]]:
    before = next(parts, None)
    while before is not None:
        after = next(parts, None)
        yield before, after is None
        before = after
