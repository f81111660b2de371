"""Sensors: they ask, within seconds, and report; none of them consumes or changes anything."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from dropless.contract import Contract
from pipeline_assets.sensors.alerts import alerts
from pipeline_assets.sensors.consumer_lag import consumer_lag
from pipeline_assets.sensors.dead_letters import dead_letters
from pipeline_assets.sensors.drift import drift
from pipeline_assets.sensors.durability import durability
from pipeline_assets.sensors.events import events
from pipeline_assets.sensors.flow import flow
from pipeline_assets.sensors.heartbeat import heartbeat
from pipeline_assets.sensors.lake_merge import lake_merge
from pipeline_assets.sensors.processes import processes
from pipeline_assets.sensors.retention import retention


def definitions(contracts: Sequence[Contract]) -> dg.Definitions:
    """Every sensor, and the checks that they keep up to date."""
    watched = (
        processes,
        durability,
        heartbeat,
        consumer_lag,
        flow,
        events,
        lake_merge,
        retention,
        dead_letters,
        drift,
        alerts,
    )
    return dg.Definitions.merge(*(each(contracts) for each in watched))
