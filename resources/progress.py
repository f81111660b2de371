"""How far every reader of a topic is, asked of Kafka, of Pinot and of ksqlDB."""

from __future__ import annotations

from urllib.parse import quote

from dropless.endpoints import Endpoints
from dropless.lag import Lag, Position, lags
from dropless.readers import Reader, Stage
from resources import ksqldb_progress
from resources.cluster import shared_view
from resources.ksqldb_client import Ksqldb
from resources.ksqldb_progress import QueryProgress
from resources.rest import Rest

REQUEST_SECONDS = 4


class Progress:
    """Readers' positions; asks only, and gives up after seconds."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._kafka = shared_view(endpoints)
        self._queried = endpoints.ksqldb_tables
        ksqldb = Ksqldb(endpoints.ksqldb, ksqldb_progress.TIMEOUT_SECONDS)
        self._queries = QueryProgress(ksqldb, self._kafka.committed_of)
        self._pinot = Rest(
            "Pinot's controller", [endpoints.pinot_controller], REQUEST_SECONDS, login=endpoints.pinot_login
        )

    def check(self) -> None:
        """See that Kafka answers, so that a tick over many readers waits for it once.

        Raises:
            Unreachable: it does not.
        """
        self._kafka.check()

    def lag(self, reader: Reader) -> list[Lag]:
        """Each partition's lag; empty while none of the topics exists.

        Raises:
            Unreachable: Kafka, Pinot or ksqlDB does not answer.
            DroplessError: Pinot does not have the table.
        """
        # Positions first: an end asked for later can only make the lag look longer, never negative.
        read = self._positions(reader)
        partitions = self._kafka.partitions(reader.topics)
        starts = self._kafka.starts([each for each in partitions if each not in read])
        return lags(self._kafka.ends(partitions), starts, read)

    def _positions(self, reader: Reader) -> dict[Position, int]:
        if reader.stage is Stage.UNION and reader.table in self._queried:
            return self._queries.read(reader.table, dict(zip(reader.topics, reader.sources, strict=True)))
        return self._kafka.committed(reader.group) if reader.group else self._consumed(reader)

    def _consumed(self, reader: Reader) -> dict[Position, int]:
        answer = self._pinot.call(
            f"tell how far table {reader.table!r} is", "GET", f"/tables/{quote(reader.table)}/consumingSegmentsInfo"
        ).json()
        [topic] = reader.topics
        read: dict[Position, int] = {}
        for servers in answer.get("_segmentToConsumingInfoMap", {}).values():
            for server in servers:
                for number, offset in (server.get("partitionToOffsetMap") or {}).items():
                    # Replicas consume on their own: the slowest one counts.
                    position = (topic, int(number))
                    read[position] = min(read.get(position, int(offset)), int(offset))
        return read
