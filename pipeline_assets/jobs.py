"""One job per thing that an operator wants to do."""

from __future__ import annotations

import dagster as dg


def definitions() -> dg.Definitions:
    """All jobs."""
    provision = dg.define_asset_job(
        "provision",
        selection=dg.AssetSelection.all().without_checks(),
        description="Bring everything to what is declared, in the order of dependency: servers, topics, schemas, "
        "connectors, Pinot, our processes. Doing it again changes nothing.",
        executor_def=dg.in_process_executor,
    )
    find_drift = dg.define_asset_job(
        "find_drift",
        selection=dg.AssetSelection.all_asset_checks(),
        description="Compare everything that runs with what is declared; change nothing.",
        executor_def=dg.in_process_executor,
    )
    return dg.Definitions(jobs=[provision, find_drift])
