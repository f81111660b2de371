"""Makes broken files of a table in the lake anew: its changes from the unified topic, its current state from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
from confluent_kafka import KafkaException
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from dropless import names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.fault_points import pass_by
from dropless.lake import damage
from dropless.lake.datafiles import DataFile, files
from dropless.lake.deletions import Deletions
from dropless.lake.fault_points import Reached
from dropless.lake.publishing import publish_anew
from dropless.lake.rebuilding import rebuild
from dropless.lake.restoring import Restoration
from dropless.lake.scan import live
from dropless.lake.store import Store
from dropless.lake.table import application
from resources.cluster import shared_view
from resources.committed import CommittedReader

BATCH_RECORDS = 10_000

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Restored:
    """What was written anew; nothing where nothing was broken."""

    changes: int
    """Rows of the table of changes."""
    deletion_files: int
    """Files with merged deletions."""
    current: int
    """Rows of the current state."""
    published: tuple[str, ...]
    """The folders that were published anew."""

    def told(self) -> list[tuple[str, int]]:
        """What was written anew, in words, and how much of it."""
        found = [
            ("changes from the unified topic", self.changes),
            ("files of merged deletions", self.deletion_files),
            ("rows of the current state", self.current),
            ("published tables", len(self.published)),
        ]
        return [(what, count) for what, count in found if count]


def restore(endpoints: Endpoints, contract: Contract, progress: Progress, reached: Reached = pass_by) -> Restored:
    """Look through every byte of a table's changes and current state, and write anew what cannot be read.

    The same is done with the merged deletions, and with what is published, the files without personal columns.

    Raises:
        DroplessError: the topic has no longer all of the rows, Kafka does not give them, or the lake does not answer.
    """
    store, changes, current = Store.pipeline(endpoints), names.changes_table(contract.name), contract.name
    with damage.sentences():
        restored = restore_changes(endpoints, contract, progress, reached)
        gone = names.deletions_table(current)
        if broken := _damaged(store, gone, "merged deletions", progress):
            found = DeltaTable(store.uri(changes), storage_options=store.delta_options())
            Deletions(store, current).restore(broken, live(store, changes, found))
        rebuilt = 0
        if _damaged(store, current, "current state", progress):
            progress("making the lake's current state anew")
            rebuilt = rebuild(store, current)
        published = []
        for folder in (changes, current):
            if _damaged(store.published(), folder, f"published files of {folder}", progress):
                publish_anew(store, store.published(), contract, folder)
                published.append(folder)
    return Restored(restored, len(broken), rebuilt, tuple(published))


def _damaged(store: Store, folder: str, what: str, progress: Progress) -> list[DataFile]:
    try:
        table = DeltaTable(store.uri(folder), storage_options=store.delta_options())
    except TableNotFoundError:
        return []
    return damage.damaged(store, folder, files(table), whole=True, progress=_told(what, progress))


def restore_changes(endpoints: Endpoints, contract: Contract, progress: Progress, reached: Reached = pass_by) -> int:
    """Look through all files of the changes, and write those anew that cannot be read; how many rows.

    Raises:
        DroplessError: the topic has no longer all of their rows, or Kafka does not give them.
        OSError | DeltaError: the store does not answer.
    """
    store, folder = Store.pipeline(endpoints), names.changes_table(contract.name)
    try:
        changes = DeltaTable(store.uri(folder), storage_options=store.delta_options())
    except TableNotFoundError:
        raise DroplessError(f"The lake has no table {folder!r} yet.") from None
    broken = damage.damaged(store, folder, files(changes), whole=True, progress=_told("changes", progress))
    if not broken:
        return 0
    topic, view = names.unified_topic(contract.name), shared_view(endpoints)
    starts = view.starts(view.partitions([topic]))
    ends = {(topic, number): changes.transaction_version(application(topic, number)) or 0 for _, number in starts}
    windows = {place: (start, ends[place]) for place, start in starts.items()}
    total, read = sum(end - start for start, end in windows.values()), 0

    def records() -> Iterator[list[bytes]]:
        nonlocal read
        read = 0
        reader = CommittedReader(endpoints, f"repair.{contract.name}")
        values = (value for message in reader.read(windows) if (value := message.value()) is not None)
        while batch := list(islice(values, BATCH_RECORDS)):
            read += len(batch)
            progress(f"reading {topic} again: {read:,} of about {total:,} records")
            yield batch

    try:
        return Restoration(store, folder, changes, broken, reached).run(records)
    except KafkaException as error:
        raise DroplessError(f"{topic} could not be read again ({error.args[0].str()}): nothing was changed.") from error
    except pa.ArrowInvalid as error:
        raise DroplessError(f"A row of {topic} does not fit the columns of {folder!r}: nothing was changed.") from error


def _told(what: str, progress: Progress) -> damage.Progress:
    return lambda done, of: progress(f"looking through the lake's {what}: file {done:,} of {of:,}")
