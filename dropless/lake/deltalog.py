"""What the commits of a Delta table were and which data files they added: delta-rs tells only what is live now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import orjson
import pyarrow.fs as pafs
from deltalake import DeltaTable

OPERATION: Final = "dropless.operation"
"""In a commit's information: what wrote it."""
RESTORE: Final = "restore"
"""The operation that has put files in the place of broken ones, with the same rows."""


@dataclass(frozen=True)
class Added:
    """The files with new rows in one commit; what compaction wrote is not new, what was restored is."""

    version: int
    timestamp: int
    """When it was committed, milliseconds since 1970."""
    files: tuple[str, ...]
    bytes: int
    broken: tuple[str, ...] = ()
    """The files in whose place these are, since they could not be read."""


class LogGone(Exception):
    """A commit's entry is no longer in the log: clean-up has deleted it."""


def history(table: DeltaTable, newest: DeltaTable, limit: int | None = None) -> list[dict[str, Any]]:
    """The commits up to a handle's version, newest first; `newest` is another handle on the same table's last version.

    delta-rs 1.6.6 tells the table's last commits whatever the handle's version, numbered down from that version.
    """
    while True:
        last = newest.version()
        later = last - table.version()
        found = newest.history(None if limit is None else limit + later)
        newest.update_incremental()
        # Otherwise a commit has come in between, and the numbers are not theirs.
        if newest.version() == last:
            return found[later:]


def added(filesystem: pafs.FileSystem, after: int, until: int) -> Iterator[Added]:
    """Every commit after version `after` up to and including `until`, oldest first.

    Raises:
        LogGone: the log does not reach back so far.
    """
    for version in range(after + 1, until + 1):
        try:
            with filesystem.open_input_stream(f"_delta_log/{version:020d}.json") as file:
                content = file.read()
        except FileNotFoundError:
            raise LogGone(f"version {version}") from None
        yield parse(version, content)


def committed_until(filesystem: pafs.FileSystem, version: int, newest: int, moment_ms: int) -> int:
    """The last version up to `newest` that was committed by a moment, by the time that its commit itself tells.

    `version` is the last one whose log entry was stored by then, which a busy store does later.
    """
    with contextlib.suppress(LogGone):
        for each in added(filesystem, version, newest):
            if each.timestamp > moment_ms:
                break
            version = each.version
    return version


def parse(version: int, content: bytes) -> Added:
    """What a commit's log entry (a JSON action a line) says of new files."""
    actions: list[dict[str, Any]] = [orjson.loads(line) for line in content.splitlines() if line.strip()]
    about: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    restored = about.get(OPERATION) == RESTORE
    adds = [action["add"] for action in actions if "add" in action and (action["add"]["dataChange"] or restored)]
    broken = [action["remove"]["path"] for action in actions if "remove" in action and restored]
    # Paths are URL-encoded by the protocol.
    return Added(
        version,
        int(about.get("timestamp", 0)),
        tuple(unquote(each["path"]) for each in adds),
        sum(each["size"] for each in adds),
        tuple(unquote(each) for each in broken),
    )
