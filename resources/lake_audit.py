"""Audits the lake: every row of the unified topic is in it once, and the current state is what follows from it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from duckdb import DuckDBPyConnection

from dropless import names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake.current import register_computed
from dropless.lake.engine import bounded
from dropless.lake.merged import MergedTable
from dropless.lake.pending import pending
from dropless.lake.result import sentences
from dropless.lake.scan import live
from dropless.lake.store import Store
from dropless.lake.table import application
from dropless.records import Partition
from resources.cluster import ClusterView
from resources.committed import CommittedReader, Progress

ROWS_AT_ONCE = 100_000
SHOWN = 3
_ORIGINS = pa.schema([("_topic", pa.string()), ("_partition", pa.int32()), ("_offset", pa.int64())])


@dataclass(frozen=True)
class LakeReport:
    """What an audit of a table's part of the lake read, and a sentence for each thing that is wrong."""

    table: str
    rows: int
    """Of the unified topic, as far as the lake says that it has it."""
    changes: int
    current: int
    findings: tuple[str, ...]
    seconds: float


def audit_lake(
    endpoints: Endpoints, contract: Contract, store: Store | None = None, progress: Progress = lambda _: None
) -> LakeReport:
    """Compare the unified topic, the table of changes, and the current state.

    A row that the topic no longer holds, since compaction removed it, may be in the lake; a row that a replay
    wrote twice is in it twice.

    Raises:
        DroplessError: Kafka or the lake does not answer, or the lake has no such table yet.
    """
    began = time.monotonic()
    store = store or Store.reader(endpoints)
    folder = names.changes_table(contract.name)
    try:
        changes = DeltaTable(store.uri(folder), storage_options=store.delta_options(patient=False))
        with bounded() as database, sentences():
            rows = _read_topic(database, endpoints, contract, changes, progress)
            database.register("changes", live(store, folder, changes))
            findings = [*_against_topic(database), *_current(database, store, contract, changes)]
            counted = _number(database, "select count(*) from changes")
            current = _number(database, "select count(*) from merged") if _merged(store, contract) else 0
    except TableNotFoundError:
        raise DroplessError(f"The lake has no table {folder!r} yet.") from None
    except (DeltaError, OSError) as error:
        raise DroplessError(f"The lake does not answer: {error}") from error
    return LakeReport(contract.name, rows, counted, current, tuple(findings), time.monotonic() - began)


def _read_topic(
    database: DuckDBPyConnection, endpoints: Endpoints, contract: Contract, changes: DeltaTable, progress: Progress
) -> int:
    topic = names.unified_topic(contract.name)
    view = ClusterView(endpoints)
    starts = view.starts(view.partitions([topic]))
    windows: dict[Partition, tuple[int, int]] = {}
    for place, start in starts.items():
        position = changes.transaction_version(application(topic, place[1]))
        windows[place] = start, max(start, position or 0)
    database.execute("create temp table topic (_topic varchar, _partition integer, _offset bigint)")
    rows = 0
    for batch in _origins(CommittedReader(endpoints, f"audit.lake.{contract.name}", progress), windows):
        database.register("batch", batch)
        database.execute("insert into topic select * from batch")
        database.unregister("batch")
        rows += batch.num_rows
    return rows


def _origins(reader: CommittedReader, windows: dict[Partition, tuple[int, int]]) -> Iterator[pa.Table]:
    gathered: list[dict[str, object]] = []
    for message in reader.read(windows):
        row = orjson.loads(message.value() or b"null")
        if row is not None:
            gathered.append({name: row[name] for name in _ORIGINS.names})
        if len(gathered) == ROWS_AT_ONCE:
            yield pa.Table.from_pylist(gathered, _ORIGINS)
            gathered = []
    yield pa.Table.from_pylist(gathered, _ORIGINS)


def _against_topic(database: DuckDBPyConnection) -> Iterator[str]:
    origin = "_topic, _partition, _offset"
    database.execute(f"create temp table told as select {origin}, count(*) as n from topic group by all")  # noqa: S608
    database.execute(f"create temp table kept as select {origin}, count(*) as n from changes group by all")  # noqa: S608
    both = f"from told left join kept using ({origin})"
    for what, condition in (
        ("rows of the topic are not in the lake", "coalesce(kept.n, 0) < told.n"),
        ("rows of the topic are in the lake more often than in the topic", "kept.n > told.n"),
    ):
        yield from _finding(database, what, f"select {origin} {both} where {condition}")


def _merged(store: Store, contract: Contract) -> DeltaTable | None:
    try:
        return DeltaTable(store.uri(contract.name), storage_options=store.delta_options(patient=False))
    except TableNotFoundError:
        return None


def _current(database: DuckDBPyConnection, store: Store, contract: Contract, changes: DeltaTable) -> Iterator[str]:
    merged = _merged(store, contract)
    if merged is None:
        return
    database.register("merged", live(store, contract.name, merged))
    version = MergedTable.progress_of(merged, changes)
    if version is None:
        return
    folder = names.changes_table(contract.name)
    then = changes
    if pending(store, folder, changes, version).files:
        then = DeltaTable(store.uri(folder), version=version, storage_options=store.delta_options(patient=False))
    register_computed(database, "computed", live(store, folder, then))
    rows = "select _key as a, _position as b, null as c from "
    yield from _finding(
        database, "rows of the current state do not follow from the changes", f"{rows} merged except {rows} computed"
    )
    yield from _finding(
        database,
        "rows that follow from the changes are not in the current state",
        f"{rows} computed except {rows} merged",
    )
    yield from _finding(
        database, "keys are in the current state twice", f"{rows} merged group by all having count(*) > 1"
    )


def _finding(database: DuckDBPyConnection, what: str, select: str) -> Iterator[str]:
    count = _number(database, f"select count(*) from ({select})")  # noqa: S608
    if count:
        some = database.sql(f"{select} limit {SHOWN}").fetchall()
        yield f"{count:,} {what}, such as {', '.join('@'.join(str(e) for e in row if e is not None) for row in some)}."


def _number(database: DuckDBPyConnection, select: str) -> int:
    return int(database.sql(select).fetchall()[0][0])
