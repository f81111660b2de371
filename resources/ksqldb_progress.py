"""How far ksqlDB's queries are in the raw topics of the tables that they unite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Final

from dropless.ksqldb import naming
from dropless.lag import Position
from resources.ksqldb_client import Ksqldb
from resources.ksqldb_offsets import furthest

# Whoever asks for a lag asks for many, and again soon.
TIMEOUT_SECONDS: Final = 4.0


class QueryProgress:
    """The queries' positions; asks only, and gives up after seconds."""

    def __init__(
        self, ksqldb: Ksqldb, committed: Callable[[Sequence[str]], Mapping[str, Mapping[Position, int]]]
    ) -> None:
        """Ask ksqlDB for its queries, and `committed` for the offsets of their consumer groups."""
        self._ksqldb, self._committed = ksqldb, committed

    @cached_property
    def _service_id(self) -> str:
        # A fence looks several times a second; this never changes.
        return self._ksqldb.service_id()

    def read(self, table: str, sources: Mapping[str, str]) -> dict[Position, int]:
        """The offset up to which every query of a source has read, by partition of its raw topic.

        Three queries divide a source's records between them, so the slowest one counts; of two versions of a query,
        while one replaces the other, the one that is further. A partition that one of the three has not read is left
        out.

        Args:
            table: the unified table.
            sources: the name of each source by its raw topic.

        Raises:
            Unreachable: ksqlDB or Kafka does not answer.
        """
        queries = self._ksqldb.queries()
        groups = {
            (topic, role): [
                naming.group(self._service_id, query)
                for query in queries
                if naming.version_of(query, role, table, source)
            ]
            for topic, source in sources.items()
            for role in naming.ROLES
        }
        committed = self._committed([group for each in groups.values() for group in each])
        read: dict[Position, int] = {}
        for topic in sources:
            far = [furthest(committed, groups[topic, role], topic) for role in naming.ROLES]
            for place in set.intersection(*(set(each) for each in far)):
                read[place] = min(each[place] for each in far)
        return read
