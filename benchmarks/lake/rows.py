"""The union's own rows for the lake: as Kafka has them, and as many as wanted in Arrow."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.payload import records
from dropless import names
from dropless.contract import Contract
from dropless.lake.schema import DAY, TIMESTAMP, changes_schema, parse
from dropless.union.outcome import Row
from dropless.union.worker import routes

LIVES: Final = 15_000
"""Orders in the pool; each has a creation, an update and a deletion."""


class Rows:
    """A pool of mapped rows, from which larger tables are drawn with keys and positions of their own."""

    def __init__(self, contract: Contract, seed: int, lives: int = LIVES) -> None:
        mappers = routes(contract)
        self.values: list[bytes] = []
        """The pool as JSON, as the writer gets it."""
        for number, record in enumerate(records(seed, lives)):
            if record.value is None:
                continue
            mapper = mappers[names.raw_topic(contract.name, record.source)].mapper
            row = mapper(record.key, record.value, 0, number)
            if isinstance(row, Row):
                self.values.append(row.value)
        self.schema = changes_schema(contract)
        pool = parse(self.values, self.schema)
        self._pools = {gone: pool.filter(pc.equal(pool["_deleted"], gone)).combine_chunks() for gone in (False, True)}
        self._random = np.random.default_rng(seed)

    @property
    def bytes_a_row(self) -> float:
        """Of its JSON."""
        return sum(map(len, self.values)) / len(self.values)

    def keys(self, among: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """So many different numbers below `among`, in random order."""
        return self._random.choice(among, count, replace=False).astype(np.int64)

    def of(
        self,
        keys: np.ndarray[tuple[int], np.dtype[np.int64]],
        position: int,
        *,
        deleted: bool = False,
        at: datetime | None = None,
    ) -> pa.Table:
        """A change of each of these keys, with ascending positions, committed `at` a moment or as in the pool."""
        pool = self._pools[deleted]
        drawn = pool.take(pa.array(self._random.integers(0, pool.num_rows, len(keys))))
        places = pa.array(np.arange(position, position + len(keys)))
        numbers = pa.array(keys).cast(pa.string())
        own = {
            "order_id": numbers,
            "_key": pc.binary_join_element_wise("bench", numbers, ":"),
            "_offset": places,
            "_position": places,
        }
        if at is not None:
            own |= {"_committed_at": pa.repeat(pa.scalar(at, TIMESTAMP), len(keys))}
            own |= {DAY: pa.repeat(pa.scalar(at.date()), len(keys))}
        for name, values in own.items():
            index = self.schema.get_field_index(name)
            drawn = drawn.set_column(index, self.schema.field(index), values)
        return drawn
