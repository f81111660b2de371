"""What runs make in the lake: current states, tidy tables, curated datasets."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from dropless.contract import Contract
from pipeline_assets.lake.curated import curated
from pipeline_assets.lake.maintenance import maintenance
from pipeline_assets.lake.merge import merged


def lake(contract: Contract, folder: Path, schedules: dg.DefaultScheduleStatus) -> dg.Definitions:
    """Everything of one table; its curated datasets are declared in `folder`. `schedules`: running at first?"""
    return dg.Definitions.merge(merged(contract), maintenance(contract), curated(contract, folder, schedules))
