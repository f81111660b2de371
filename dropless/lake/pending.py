"""The changes that are not merged into the current state yet."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa
from deltalake import DeltaTable

from dropless.lake import deltalog
from dropless.lake.deltalog import Added, LogGone
from dropless.lake.schema import DAY
from dropless.lake.store import Store


@dataclass(frozen=True)
class Pending:
    """Commits with files to be merged, oldest first; when all is read anew, one that stands for everything."""

    commits: tuple[Added, ...]
    until: int
    oldest: float | None
    """When the oldest of them was committed, seconds since 1970; None where nothing waits."""

    @property
    def files(self) -> list[str]:
        """All their files."""
        return [path for each in self.commits for path in each.files]


def pending(store: Store, folder: str, changes: DeltaTable, merged: int | None) -> Pending:
    """What came into the table of changes in `folder` after version `merged`, up to this handle's version.

    Where nothing was merged yet, or the log no longer reaches back, that is every row: merging one again
    changes nothing.
    """
    until = int(changes.version())
    if merged is not None:
        try:
            found = list(deltalog.added(store.filesystem(folder), merged, until))
            broken = {path for each in found for path in each.broken}
            readable = (replace(each, files=tuple(path for path in each.files if path not in broken)) for each in found)
            commits = tuple(each for each in readable if each.files)
            return Pending(commits, until, commits[0].timestamp / 1000 if commits else None)
        except LogGone:
            pass
    return everything(changes)


def everything(changes: DeltaTable) -> Pending:
    """Every file that is live now, as if one commit had added them."""
    actions = pa.table(changes.get_add_actions())
    paths, sizes = actions["path"].to_pylist(), actions["size_bytes"].to_pylist()
    until = int(changes.version())
    now = int(changes.history(1)[0]["timestamp"])
    commits = (Added(until, now, tuple(sorted(paths)), sum(sizes)),) if paths else ()
    return Pending(commits, until, changes.metadata().created_time / 1000 if commits else None)


def row_schema(changes: DeltaTable) -> pa.Schema:
    """The columns of a change but the day by which its table is partitioned."""
    schema = pa.schema(changes.schema().to_arrow())
    return schema.remove(schema.get_field_index(DAY))
