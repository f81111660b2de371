"""Sensors: they ask, within seconds, and report; none of them consumes or changes anything."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from dropless.contract import Contract
from pipeline_assets.sensors.consumer_lag import consumer_lag
from pipeline_assets.sensors.durability import durability, durability_checks
from pipeline_assets.sensors.flow import flow


def definitions(contracts: Sequence[Contract]) -> dg.Definitions:
    """Every sensor, and the checks that they keep up to date."""
    return dg.Definitions.merge(
        dg.Definitions(sensors=[durability, flow(contracts)], asset_checks=[durability_checks]), consumer_lag(contracts)
    )
