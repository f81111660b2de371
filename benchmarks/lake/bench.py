"""What the lake's benchmarks share while they run."""

from __future__ import annotations

import functools
import itertools
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from deltalake import DeltaTable

from benchmarks.bench import SEED
from benchmarks.blocks import Blocks
from benchmarks.lake.rows import Rows
from benchmarks.result import Pairs, Result
from benchmarks.statistics import Estimate, median
from benchmarks.verify import Void
from dropless import names
from dropless.contract import Contract
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.lake.maintenance import tables_of
from dropless.lake.merge import Merge
from dropless.lake.scan import live
from dropless.lake.store import Store
from dropless.lake.table import ChangesTable
from dropless.settings import Settings

COMMIT_ROWS: Final = 250_000


@dataclass(frozen=True)
class LakeScale:
    """How much is measured."""

    rounds: int
    commits: int
    """Commits of one block of P8."""
    state_rows: int
    """Of the current state that is merged into, and pulled."""
    merged: int
    """Changes of one merge."""
    sizes: tuple[int, ...]
    """Rows that the writer writes, for its memory and its cost."""
    growth_rounds: int
    changes: int
    """That are written, merged and tidied, in so many commits."""
    change_commits: int
    quick: bool


FULL: Final = LakeScale(
    rounds=12,
    commits=3,
    state_rows=1_000_000,
    merged=10_000,
    sizes=(100_000, 1_000_000, 10_000_000),
    growth_rounds=2,
    changes=1_000_000,
    change_commits=1_000,
    quick=False,
)
QUICK: Final = replace(
    FULL,
    rounds=4,
    commits=1,
    sizes=(100_000, 400_000, 1_200_000),
    growth_rounds=1,
    changes=200_000,
    change_commits=200,
    quick=True,
)


@dataclass
class LakeBench(Blocks):
    """An object store, the rows, and how much is measured."""

    settings: Settings
    scale: LakeScale
    conditions: dict[str, Any]
    audits: dict[str, Any] = field(default_factory=lambda: {"checks": 0})

    def __post_init__(self) -> None:
        endpoints = Endpoints.local(self.settings)
        self.store, self.reader = Store.pipeline(endpoints), Store.reader(endpoints)
        # Short, and free in whatever lake this is.
        self._prefix = f"bench{uuid.uuid4().hex[:8]}"
        self._numbers = itertools.count()
        self._tables: list[str] = []

    @functools.cached_property
    def rows(self) -> Rows:
        """The rows."""
        return Rows(declared(self.settings, "orders"), SEED)

    def table(self) -> Contract:
        """The example's contract under a name that is free."""
        name = f"{self._prefix}_{next(self._numbers)}"
        self._tables.append(name)
        return declared(self.settings, "orders").model_copy(update={"name": name})

    def changes(self, contract: Contract) -> ChangesTable:
        """A handle on its table of changes."""
        folder = names.changes_table(contract.name)
        return ChangesTable(self.store, folder, names.unified_topic(contract.name), self.rows.schema)

    def append(self, contract: Contract, *data: pa.Table) -> None:
        """Commit changes, as the writer does."""
        table, done = self.changes(contract), 0
        for each in data:
            done = (table.positions([0]).get(0) or 0) + each.num_rows
            table.append(each, {0: done})

    @functools.cached_property
    def state(self) -> Contract:
        """A table with a merged current state, with the keys from 0 on."""
        contract = self.table()
        count = self.scale.state_rows
        self.tell(f"merging {count:,} rows")
        for start in range(0, count, COMMIT_ROWS):
            self.append(contract, self.rows.of(np.arange(start, min(start + COMMIT_ROWS, count)), start))
        Merge(self.store, contract.name).run()
        return contract

    def count(self, folder: str) -> int:
        """How many rows a table has."""
        return self._live(folder).count_rows()  # type: ignore[no-any-return]

    def positions(self, folder: str) -> int:
        """The sum of the positions of its rows, which tells one content from another."""
        return int(pc.sum(self._live(folder).to_table(columns=["_position"])["_position"]).as_py())

    def _live(self, folder: str) -> pads.Dataset:
        table = DeltaTable(self.store.uri(folder), storage_options=self.store.delta_options())
        return live(self.store, folder, table)

    def check(self, what: str, found: int, expected: int) -> None:
        """A run must have done what it says.

        Raises:
            Void: it has not.
        """
        self.audits["checks"] += 1
        if found != expected:
            raise Void(f"The run is void: {what} is {found:,} and must be {expected:,}.")

    def remove(self) -> None:
        """Delete every object of the tables that were made."""
        client = self.store.client()
        for table in self._tables:
            for prefix in ("", f"{names.PUBLIC_FOLDER}/"):
                for folder in (*tables_of(table), f"{table}_other"):
                    pages = client.get_paginator("list_objects_v2").paginate(
                        Bucket=self.store.bucket, Prefix=f"{prefix}{folder}/"
                    )
                    for page in pages:
                        for each in page.get("Contents", []):
                            client.delete_object(Bucket=self.store.bucket, Key=each["Key"])

    def result(
        self,
        benchmark: str,
        figures: Mapping[str, Estimate],
        pairs: Pairs,
        setup: Mapping[str, Any],
        *,
        control: Estimate | None = None,
    ) -> Result:
        """A benchmark's result; absolute values are medians of the rounds."""
        values = pairs.rounds[0]["values"] if pairs.rounds else {}
        return Result(
            benchmark,
            dict(figures),
            pairs,
            audits=dict(self.audits),
            conditions=self.conditions,
            setup={"seed": SEED, **setup},
            control=control,
            absolute={name: median(pairs.column(name)).value for name in values},
            quick=self.scale.quick,
        )

    def void(self, benchmark: str, reason: str) -> Result:
        """A benchmark without a figure, and why."""
        return replace(self.result(benchmark, {}, Pairs(), {}), void=reason)


def ratio(pairs: Pairs, above: str, below: str) -> Estimate:
    """The median of a ratio that is made in each round."""
    both = zip(pairs.column(above), pairs.column(below), strict=True)
    return median([one / other for one, other in both])


Wanted = Collection[str]
