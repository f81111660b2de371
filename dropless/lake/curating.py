"""Building curated datasets: DuckDB over the lake, and of a partitioned one only the parts whose rows changed.

Which rows a part was built from is told by a fingerprint of their keys and positions; all parts' fingerprints
lie in the information of the commit that wrote them, so data and fingerprints cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final

import orjson
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from duckdb import DuckDBPyConnection

from dropless.errors import DroplessError
from dropless.lake import catalogue
from dropless.lake.built import Built, look
from dropless.lake.dataset import Dataset
from dropless.lake.engine import bounded, quoted
from dropless.lake.header import Partition
from dropless.lake.reading import LakeTable
from dropless.lake.result import sentences
from dropless.lake.store import Store

MEMORY: Final = "1GB"
"""Beyond it DuckDB spills to the disk."""
ATTEMPTS: Final = 3
_APPLICATION: Final = "dropless:curated"
_FINGERPRINTS: Final = "dropless.fingerprints"
_DEFINITION: Final = "dropless.definition"


def parts(store: Store, dataset: Dataset) -> list[str]:
    """The parts that a partitioned dataset has or should have, such as 2026-01-01 for a month.

    Raises:
        DroplessError: the lake does not answer, or a table is not there yet.
    """
    with _inputs(store, dataset) as (database, _):
        now = set(_fingerprints(database, dataset))
    return sorted(now | set(_State.of(store, dataset).fingerprints))


def build(store: Store, dataset: Dataset, only: Sequence[str] | None = None, *, changed: bool = True) -> Built:
    """Build a dataset, or some parts of it.

    Args:
        store: the lake, to be written.
        dataset: what to build.
        only: the parts to build; all where it is None.
        changed: leave alone what was built from the very rows that it would be built from now.

    Raises:
        DroplessError: the SQL is wrong, or a table is not there yet.
        CommitFailedError: other builds were first again and again.
        OSError | DeltaError: the store does not answer.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _build(store, dataset, only, changed=changed)
        except CommitFailedError:
            continue
    return _build(store, dataset, only, changed=changed)


def _build(store: Store, dataset: Dataset, only: Sequence[str] | None, *, changed: bool) -> Built:
    # Before the inputs: a build that read newer ones and was first makes this one fail.
    state = _State.of(store, dataset)
    anew = state.table is None or state.definition != dataset.digest
    with _inputs(store, dataset) as (database, version):
        now = _fingerprints(database, dataset)
        wanted = sorted(now.keys() | state.fingerprints.keys())
        if not anew and only is not None:
            wanted = [each for each in wanted if each in set(only)]
        if not anew and changed:
            wanted = [each for each in wanted if now.get(each) != state.fingerprints.get(each)]
        if wanted or anew:
            left = {} if anew else {key: value for key, value in state.fingerprints.items() if key not in wanted}
            told = left | {key: now[key] for key in wanted if key in now}
            _write(
                store=store,
                dataset=dataset,
                database=database,
                state=state,
                version=version,
                wanted=None if anew else wanted,
                fingerprints=told,
            )
    return look(store, dataset, tuple(wanted))


def _write(
    *,
    store: Store,
    dataset: Dataset,
    database: DuckDBPyConnection,
    state: _State,
    version: int,
    wanted: Sequence[str] | None,
    fingerprints: Mapping[str, str],
) -> None:
    cut = dataset.header.partition
    predicate = None
    if cut and wanted is not None:
        days = [f"'{date.fromisoformat(each)}'" for each in wanted]
        _show(
            database, dataset.header.tables[0], f"where {_part(cut)} in ({', '.join(f'date {each}' for each in days)})"
        )
        predicate = f"{cut.by} in ({', '.join(days)})"
    with sentences():
        relation = database.sql(dataset.sql)
    if cut and (cut.by not in relation.columns or str(relation.types[relation.columns.index(cut.by)]) != "DATE"):
        raise DroplessError(
            f"Dataset {dataset.name!r} is cut by the {cut.by} of {cut.column!r}: its SQL must return a date column "
            f"`{cut.by}`, such as {_part(cut)} as {cut.by}."
        )
    known = state.table is not None
    write_deltalake(
        state.table if state.table is not None else store.uri(dataset.folder),
        relation.to_arrow_reader(65_536),
        mode="overwrite",
        predicate=predicate,
        schema_mode=None if predicate else "overwrite",
        partition_by=[cut.by] if cut else None,
        name=dataset.name,
        description=dataset.header.description,
        storage_options=None if known else store.delta_options(),
        commit_properties=CommitProperties(
            app_transactions=[Transaction(_APPLICATION, version)],
            custom_metadata={_FINGERPRINTS: orjson.dumps(fingerprints).decode(), _DEFINITION: dataset.digest},
        ),
    )


@dataclass(frozen=True)
class _State:
    """A dataset's table as it is before a build."""

    table: DeltaTable | None
    fingerprints: Mapping[str, str]
    definition: str | None

    @classmethod
    def of(cls, store: Store, dataset: Dataset) -> _State:
        try:
            table = DeltaTable(store.uri(dataset.folder), storage_options=store.delta_options())
        except TableNotFoundError:
            return cls(None, {}, None)
        for commit in table.history():
            # Compaction and vacuum say nothing of it.
            if _FINGERPRINTS in commit:
                return cls(table, orjson.loads(commit[_FINGERPRINTS]), commit.get(_DEFINITION))
        return cls(table, {}, None)


@contextmanager
def _inputs(store: Store, dataset: Dataset) -> Iterator[tuple[DuckDBPyConnection, int]]:
    """A database that knows the tables which the dataset reads, and the version of the first."""
    with bounded(MEMORY) as database:
        versions = []
        for name in dataset.header.tables:
            table = LakeTable(store, catalogue.find(store, name))
            table.register(database, _whole(name))
            _show(database, name)
            versions.append(table.version)
        yield database, versions[0]


def _whole(table: str) -> str:
    return f"_all_{table}"


def _show(database: DuckDBPyConnection, table: str, where: str = "") -> None:
    """Let the dataset's SQL see these rows of a table."""
    body = f"select * from {quoted(_whole(table))} {where}"  # noqa: S608 - quoted, and dates of our own
    database.execute(f"create or replace temp view {quoted(table)} as {body}")


def _fingerprints(database: DuckDBPyConnection, dataset: Dataset) -> dict[str, str]:
    """By part, what tells whether any of its rows was changed, has come or has gone; one part where it is not cut."""
    cut = dataset.header.partition
    part = _part(cut) if cut else "date '1970-01-01'"
    found: dict[str, str] = {}
    for table in dataset.header.tables:
        with sentences():
            rows = database.sql(
                f"select {part} as part, count(*), sum(hash(_key, _position)::hugeint) "  # noqa: S608 - quoted
                f"from {quoted(table)} group by part"
            ).fetchall()
        for key, count, total in rows:
            found[str(key)] = f"{found.get(str(key), '')}{count}:{total};"
    return found


def _part(cut: Partition) -> str:
    return f"date_trunc('{cut.by}', {quoted(cut.column)})::date"
