"""Restores broken files of a table's changes in the lake from its unified topic, which keeps every row for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import pyarrow as pa
from confluent_kafka import KafkaException
from deltalake import DeltaTable

from dropless import names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake import damage
from dropless.lake.restoring import Restoration
from dropless.lake.store import Store
from dropless.lake.table import application
from resources.cluster import shared_view
from resources.committed import CommittedReader

BATCH_RECORDS = 10_000


def restore_changes(endpoints: Endpoints, contract: Contract, progress: Callable[[str], None]) -> int:
    """Look through all files of the changes, and write those anew that cannot be read; how many rows.

    Raises:
        DroplessError: the topic has no longer all of their rows, or Kafka does not give them.
        OSError | DeltaError: the store does not answer.
    """
    store, folder = Store.pipeline(endpoints), names.changes_table(contract.name)
    changes = DeltaTable(store.uri(folder), storage_options=store.delta_options())

    def tell(done: int, of: int) -> None:
        progress(f"looking through the lake's changes: file {done:,} of {of:,}")

    broken = damage.damaged(store, folder, damage.files(changes), whole=True, progress=tell)
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
        return Restoration(store, folder, changes, broken).run(records)
    except KafkaException as error:
        raise DroplessError(f"{topic} could not be read again ({error.args[0].str()}): nothing was changed.") from error
    except pa.ArrowInvalid as error:
        raise DroplessError(f"A row of {topic} does not fit the columns of {folder!r}: nothing was changed.") from error
