"""What is known of a topic besides what Kafka says of it now: whether it was there before, and how far rows came."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from urllib.parse import quote

from dropless import names
from dropless.desired.schema_registry import epoch_of
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from dropless.lag import Position
from dropless.pinot import UNLIMITED, select
from dropless.plan import Resource
from resources.rest import Rest

# Who looks at topics waits for Kafka, and not for Pinot.
QUERY_SECONDS = 3


class TopicHistory:
    """Memory outside of Kafka: a topic that is gone takes its offsets, and its groups' offsets, with it."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    @cached_property
    def _registry(self) -> Rest:
        return Rest("The schema registry", [self._endpoints.schema_registry])

    def epoch(self, topic: Resource) -> int | None:
        """The epoch in which a topic was made last, kept with its schema; None when it was never made.

        A topic's subject is registered right after it is made, before anything can write to it. The dead-letter
        topic has none: it is as old as the unified one.

        Raises:
            Unreachable: the registry does not answer.
        """
        raw = topic.hints["role"] == "raw"
        subject = names.subject(topic.name if raw else names.unified_topic(topic.hints["table"]))
        path = f"/subjects/{quote(subject, safe='')}/versions/latest"
        response = self._registry.call(f"show subject {subject!r}", "GET", path, accept=[404])
        if response.status_code == 404:
            return None
        return epoch_of(json.loads(response.json()["schema"]))

    def newest_positions(self, tables: Iterable[str]) -> dict[Position, int]:
        """The greatest `_position` that a row of each raw partition has; of what Pinot can tell."""
        found: dict[Position, int] = {}
        for table in tables:
            query = (
                'select "_topic", "_partition", max("_position") '  # noqa: S608 - a contract's name is an identifier
                f'from "{table}" where "_position" >= 0 group by "_topic", "_partition" limit {UNLIMITED}'
            )
            # Not made yet, or away: then its own part of the plan says so.
            try:
                answer = select(self._endpoints, query, QUERY_SECONDS)
            except Unreachable:
                break
            except DroplessError:
                continue
            found |= {(topic, int(partition)): int(position) for topic, partition, position in answer.rows}
        return found
