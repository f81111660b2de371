"""One job per thing that an operator wants to do."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from pipeline_assets.backfill import backfill
from pipeline_assets.gaps import accept_gaps
from pipeline_assets.housekeeping import nightly, prune_history
from pipeline_assets.lake.maintenance import maintenance_schedules
from pipeline_assets.repairs import repair
from pipeline_assets.resuming import resume_connectors
from pipeline_assets.union import replay_dead_letters


def definitions(
    audits: Sequence[dg.AssetChecksDefinition],
    schedules: dg.DefaultScheduleStatus,
    of_data: Sequence[dg.AssetCheckKey] = (),
) -> dg.Definitions:
    """All jobs; audits and checks of data are no question of drift. `schedules`: whether they run at first."""
    audited = [key for each in audits for key in each.check_keys]
    provision = dg.define_asset_job(
        "provision",
        selection=dg.AssetSelection.all().without_checks() - dg.AssetSelection.tag("dropless/made_by", "lake"),
        description="Bring everything to what is declared, in the order of dependency: servers, topics, schemas, "
        "connectors, Pinot, our processes. Doing it again changes nothing.",
        executor_def=dg.in_process_executor,
    )
    find_drift = dg.define_asset_job(
        "find_drift",
        selection=dg.AssetSelection.all_asset_checks() - dg.AssetSelection.checks(*audited, *of_data),
        description="Compare everything that runs with what is declared; change nothing.",
        executor_def=dg.in_process_executor,
    )
    audit = dg.define_asset_job(
        "audit",
        selection=dg.AssetSelection.checks(*audited),
        description="Account for every raw record since the last sound audit: each came out exactly once and in order, "
        "and every row is in the lake.",
        executor_def=dg.in_process_executor,
    )
    hourly = dg.ScheduleDefinition(job=audit, cron_schedule="17 * * * *", default_status=schedules)
    return dg.Definitions(
        jobs=[
            provision,
            find_drift,
            repair,
            resume_connectors,
            audit,
            replay_dead_letters,
            backfill,
            prune_history,
            accept_gaps,
        ],
        schedules=[hourly, nightly(schedules), *maintenance_schedules(schedules)],
    )
