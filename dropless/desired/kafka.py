"""The topics of a unified table."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dropless import durability, names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.placement import EVEN
from dropless.plan import Resource

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
COMPACTION_LAG_MS: Final = 7 * DAY_MS
"""How long every version of a row stays in the unified topic before only the newest does."""

SIGNALS_MS: Final = 30 * DAY_MS
"""How long it can be looked up what a connector was asked to do."""

GROWING: Final = "growing"
"""A raw topic's positions are where they should be: new records come after all that rows were made of."""


def topics(contract: Contract) -> list[Resource]:
    """Raw, unified, dead-letter, heartbeat and signal topics, held to the durability table by their own overrides."""
    table = contract.name
    # The replayable truth: nothing is ever deleted from it.
    forever = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    newest = {"cleanup.policy": "compact", "min.compaction.lag.ms": str(COMPACTION_LAG_MS)}
    made = []
    for source in contract.sources:
        raw = _topic(names.raw_topic(table, source.name), contract.partitions, forever)
        told = {"role": "raw", "table": table, "source": source.name, "epoch": source.epoch}
        made.append(replace(raw, properties={**raw.properties, "positions": GROWING}, hints={**raw.hints, **told}))
        made.append(
            _topic(
                names.heartbeat_topic(table, source.name),
                1,
                {"cleanup.policy": "compact", "segment.ms": str(DAY_MS)},
                keyed=False,
            )
        )
        signals = {"cleanup.policy": "delete", "retention.ms": str(SIGNALS_MS), "segment.ms": str(DAY_MS)}
        made.append(_topic(names.signal_topic(table, source.name), 1, signals, keyed=False))
    # One partition keeps the letters in the order in which they were found.
    for role, name, partitions, config in (
        ("unified", names.unified_topic(table), contract.partitions, newest),
        ("dead", names.dead_topic(table), 1, forever),
    ):
        output = _topic(name, partitions, config)
        made.append(replace(output, hints={**output.hints, "role": role, "table": table}))
    return made


def probe_topics(endpoints: Endpoints) -> list[Resource]:
    """The topic through which the REST Proxy is probed, where there is one; its records are of no use an hour later."""
    config = {"cleanup.policy": "delete", "retention.ms": str(HOUR_MS), "segment.ms": str(HOUR_MS)}
    return [_topic(names.REST_PROBE, 1, config, keyed=False)] if endpoints.rest_proxy else []


def _topic(name: str, partitions: int, config: dict[str, str], *, keyed: bool = True) -> Resource:
    return Resource(
        "kafka",
        "topic",
        name,
        {
            "partitions": partitions,
            "replication_factor": durability.REPLICATION_FACTOR,
            "placement": EVEN,
            "config": durability.topic() | {"max.message.bytes": str(durability.MAX_MESSAGE_BYTES)} | config,
        },
        {"keyed": keyed},
    )
