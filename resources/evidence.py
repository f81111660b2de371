"""Where heartbeats are on their way from the sources to Pinot and the lake."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dropless import names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lag import MARKER, Lag, Position
from dropless.readers import Stage, readers
from resources.cluster import shared_view
from resources.heartbeats import heartbeats
from resources.peek import only_markers
from resources.progress import Progress

# A heartbeat just written is awaited so long; what comes later is seen at the next look.
ARRIVAL_SECONDS = 2.0
READ_SECONDS = 1.0


@dataclass(frozen=True)
class Flow:
    """What one look at a table's flow saw, after it has waited a little for what was on its way."""

    captured: Mapping[str, float]
    """By source: when the newest heartbeat that came out of the connector was written."""
    newest_raw: Mapping[str, float]
    """By source: when its newest raw record was written to Kafka."""
    raw_ends: Mapping[str, dict[Position, int]]
    united: Mapping[Position, int]
    unified_ends: dict[Position, int]
    shown: Mapping[Position, int]
    kept: Mapping[Position, int]
    problems: Mapping[str, str]
    """By stage: why its position is not known."""


def look(endpoints: Endpoints, contract: Contract, since: float, memory: dict[str, Any]) -> Flow:
    """Follow a table's heartbeats from Kafka to Pinot and the lake.

    Args:
        endpoints: where everything answers.
        contract: the table's.
        since: when heartbeats were last written to MongoDB sources; those are waited for.
        memory: kept from look to look.

    Raises:
        Unreachable: Kafka does not answer.
    """
    table = contract.name
    view = shared_view(endpoints)
    topics = {source.name: names.heartbeat_topic(table, source.name) for source in contract.sources}
    seen = _awaited(endpoints, contract, topics, since)
    captured = {source: seen[topic] for source, topic in topics.items() if topic in seen}
    raw = {source.name: names.raw_topic(table, source.name) for source in contract.sources}
    places = view.partitions(list(raw.values()))
    moments, everything = view.newest_of_topics(places), view.ends(places)
    newest = {source: moments[topic].timestamp() for source, topic in raw.items() if topic in moments}
    raw_ends = {
        source: {place: end for place, end in everything.items() if place[0] == topic} for source, topic in raw.items()
    }
    followed = _Followed(endpoints, contract, memory)
    united = followed.positions(Stage.UNION, everything)
    unified_ends = view.ends(view.partitions([names.unified_topic(table)]))
    shown = followed.positions(Stage.PINOT, unified_ends)
    # The lake writer commits by its own clock: its next commit is seen at the next look.
    kept = followed.positions(Stage.LAKE, {})
    return Flow(captured, newest, raw_ends, united, unified_ends, shown, kept, followed.problems)


def _awaited(endpoints: Endpoints, contract: Contract, topics: Mapping[str, str], since: float) -> dict[str, float]:
    reader = heartbeats(endpoints)
    fresh = [topics[source.name] for source in contract.sources if source.mongodb]
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while True:
        seen = reader.newest(list(topics.values()))
        late = [topic for topic in fresh if seen.get(topic, 0.0) < since]
        if not late or time.monotonic() > deadline:
            return seen
        time.sleep(0.2)


class _Followed:
    """Readers' positions, each after it has had a moment to come to the ends of its input."""

    def __init__(self, endpoints: Endpoints, contract: Contract, memory: dict[str, Any]) -> None:
        self._endpoints = endpoints
        self._progress = Progress(endpoints)
        self._readers = {reader.stage: reader for reader in readers(contract)}
        self._memory = memory
        self.problems: dict[str, str] = {}

    def positions(self, stage: Stage, ends: Mapping[Position, int]) -> dict[Position, int]:
        """How far a stage is; nothing where nobody tells, with the reason in `problems`."""
        deadline = time.monotonic() + READ_SECONDS
        while True:
            try:
                lags = self._progress.lag(self._readers[stage])
            except DroplessError as error:
                self.problems[stage.value] = str(error)
                return {}
            behind = [each for each in lags if each.position + MARKER < ends.get((each.topic, each.partition), 0)]
            if not behind or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return {(each.topic, each.partition): each.position for each in lags} | self._beyond_markers(stage, lags)

    def _beyond_markers(self, stage: Stage, lags: Sequence[Lag]) -> dict[Position, int]:
        # Looked at only where a reader stands still: an aborted transaction leaves nothing that could be read.
        name = f"{self._readers[stage].table}.{stage}.positions"
        before = {(topic, number): at for topic, number, at in self._memory.get(name, [])}
        self._memory[name] = [(each.topic, each.partition, each.position) for each in lags]
        still = [each for each in lags if each.records and before.get((each.topic, each.partition)) == each.position]
        empty = only_markers(self._endpoints, still)
        return {place: each.end for each in still if (place := (each.topic, each.partition)) in empty}
