"""Keys with the hashes of their rows, of systems that do not sum them up themselves; kept on disk, not in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa

from dropless.lake.engine import connect, limit
from dropless.reconciliation import in_duckdb
from dropless.reconciliation.canonical import MODULUS, Digest, Split

BATCH_ROWS: Final = 50_000
_SCHEMA: Final = pa.schema(
    [
        ("source", pa.string()),
        ("key", pa.string()),
        ("bucket", pa.int32()),
        ("high", pa.uint64()),
        ("low", pa.uint64()),
        ("fine", pa.uint64()),
    ]
)

Pair = tuple[str, str, int, int, int, int]
"""Source, key, bucket, and the three hashes, each below 2^64."""


class Pairs:
    """Pairs by the system they are of."""

    def __enter__(self) -> Self:
        """Make room."""
        self._folder = tempfile.TemporaryDirectory(prefix="dropless-reconcile-")
        self.database = connect()
        self.database.execute(f"attach '{Path(self._folder.name) / 'pairs'}' as kept")
        limit(self.database, self._folder.name)
        in_duckdb.prepare(self.database)
        numbers = "high ubigint, low ubigint, fine ubigint"
        self.database.execute(
            f"create table kept.pairs (system varchar, source varchar, key varchar, bucket integer, {numbers})"
        )
        self.database.execute("create table kept.touched (key varchar primary key)")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the room back."""
        self.database.close()
        self._folder.cleanup()

    def add_relation(
        self, system: str, relation: str, splits: Mapping[str, Split], *, milliseconds: bool = False, keys: bool = False
    ) -> int:
        """Take the rows of a relation of this database, of the unified columns; their number."""
        splits = {source: Split(()) if keys else split for source, split in splits.items()}
        hashed = in_duckdb.rows(relation, splits, milliseconds=milliseconds)
        numbers = "0, 0, 0" if keys else ", ".join(f"({each} % {MODULUS})::ubigint" for each in ("high", "low", "fine"))
        counted = self.database.execute(
            f"insert into kept.pairs select ?, source, key, bucket, {numbers} from ({hashed})",  # noqa: S608 - ours
            [system],
        ).fetchone()
        return int(counted[0]) if counted else 0

    def add(self, system: str, pairs: Iterable[Pair]) -> None:
        """Take pairs as they come."""
        gathered: list[Pair] = []
        for each in pairs:
            gathered.append(each)
            if len(gathered) == BATCH_ROWS:
                self._insert(system, gathered)
                gathered.clear()
        self._insert(system, gathered)

    def touch(self, keys: Iterable[str]) -> None:
        """Leave these keys out of every digest."""
        keys = list(keys)
        for first in range(0, len(keys), BATCH_ROWS):
            self.database.register("batch", pa.table({"key": keys[first : first + BATCH_ROWS]}))
            self.database.execute("insert or ignore into kept.touched select key from batch")
            self.database.unregister("batch")

    def digest(self, system: str, source: str) -> Digest:
        """The digest of a system's rows of a source, without those that were touched."""
        sums = ", ".join(f"sum({each})" for each in ("high", "low", "fine"))
        found = Digest()
        rows = self.database.execute(
            f"select bucket, count(*), {sums} from kept.pairs anti join kept.touched using (key) "  # noqa: S608 - ours
            "where system = ? and source = ? group by bucket",
            [system, source],
        )
        while batch := rows.fetchmany(BATCH_ROWS):
            found.extend((each[0], each[1:]) for each in batch)
        return found

    def in_buckets(self, system: str, source: str, buckets: Collection[int]) -> list[tuple[str, int, int, int]]:
        """Keys and hashes of a system's rows in some buckets, without those that were touched."""
        found: list[tuple[str, int, int, int]] = self.database.execute(
            "select key, high, low, fine from kept.pairs anti join kept.touched using (key) "
            "where system = ? and source = ? and bucket in (select unnest(?::integer[]))",
            [system, source, sorted(buckets)],
        ).fetchall()
        return found

    def _insert(self, system: str, pairs: list[Pair]) -> None:
        if not pairs:
            return
        columns = zip(*pairs, strict=True)
        batch = pa.table([pa.array(each, field.type) for each, field in zip(columns, _SCHEMA, strict=True)], _SCHEMA)
        self.database.register("batch", batch)
        self.database.execute("insert into kept.pairs select ?, * from batch", [system])
        self.database.unregister("batch")
