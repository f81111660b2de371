"""Whether the sources, Pinot and the lake agree: checks, and the schedules on which they are made."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from dropless.contract import Contract
from dropless.declared import declared
from dropless.errors import DroplessError
from dropless.reconciliation.findings import Comparison, Tier
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.presentation import table as markdown
from pipeline_assets.row_repair import MAX_RUNTIME_SECONDS, repair_rows, row_repairs
from pipeline_assets.teller import Teller
from pipeline_assets.verdict import Verdict
from resources import reconcile_lake, reconcile_pinot, reconciled
from resources.backfills import chosen
from resources.reconciled import Told
from resources.reconciliation import Limits

SHOWN = 20
JOBS: Sequence[tuple[str, Tier, str]] = (
    ("count_rows", Tier.COUNTS, "the keys"),
    ("reconcile", Tier.FULL, "every value"),
)
CHECKS: Mapping[Tier, str] = {Tier.COUNTS: "has_every_row", Tier.FULL: "agrees_with_the_sources"}
DESCRIPTIONS: Mapping[Tier, str] = {
    Tier.COUNTS: "Every row that the sources have is here, and no other: keys are counted by ranges while rows flow, "
    "and only what differs at two fences counts.",
    Tier.FULL: "Every value is what the sources say: digests of all rows are compared while rows flow, and only what "
    "differs at two fences counts.",
}


def reconciliations(contracts: Sequence[Contract]) -> dict[Tier, list[dg.AssetChecksDefinition]]:
    """The checks of every table, by tier."""
    return {tier: [_check(contract, tier) for contract in contracts] for tier in CHECKS}


def definitions(
    checks: Mapping[Tier, Sequence[dg.AssetChecksDefinition]],
    contracts: Sequence[Contract],
    schedules: dg.DefaultScheduleStatus,
) -> dg.Definitions:
    """The jobs that reconcile, when they run, and the repair."""
    counts, full = (
        dg.define_asset_job(
            name,
            selection=dg.AssetSelection.checks(*(key for each in checks[tier] for key in each.check_keys)),
            description=f"Compare {what} of all rows of the sources with Pinot and the lake.",
            executor_def=dg.in_process_executor,
            tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
        )
        for name, tier, what in JOBS
    )
    return dg.Definitions(
        asset_checks=[each for tier in checks.values() for each in tier],
        jobs=[counts, full, repair_rows],
        schedules=[
            dg.ScheduleDefinition(job=counts, cron_schedule="37 * * * *", default_status=schedules),
            dg.ScheduleDefinition(job=full, cron_schedule="47 2 * * *", default_status=schedules),
        ],
        sensors=[row_repairs(contracts)] if contracts else [],
    )


def _check(contract: Contract, tier: Tier) -> dg.AssetChecksDefinition:
    assets = {
        reconcile_lake.NAME: keys.lake_table(contract.name),
        reconcile_pinot.NAME: keys.pinot_table(contract.name),
    }
    specs = {
        system: dg.AssetCheckSpec(CHECKS[tier], asset=asset, description=DESCRIPTIONS[tier])
        for system, asset in assets.items()
    }

    @dg.multi_asset_check(
        name=f"{contract.name}_{CHECKS[tier]}",
        specs=list(specs.values()),
        can_subset=True,
        pool=f"reconcile_{contract.name}",
    )
    def check(context: dg.AssetCheckExecutionContext, installation: Installation) -> Iterator[dg.AssetCheckResult]:
        settings = installation.settings
        try:
            applied = declared(settings, contract.name)
            limits = Limits(rate=contract.reconcile.rate)
            sources = chosen(applied, [])
            told = reconciled.reconcile(settings, applied, sources, tier, limits, progress=Teller(context.log))
        except DroplessError as error:
            # Not that something is wrong is known then, but that nothing is known.
            raise dg.Failure(str(error), allow_retries=False) from error
        for comparison in told.report.comparisons:
            if specs[comparison.system].key in context.selected_asset_check_keys:
                yield _verdict(told, comparison).result(specs[comparison.system].key)

    return check


def _verdict(told: Told, comparison: Comparison) -> Verdict:
    report = told.report
    rows = sum(report.rows.values())
    found = ", ".join(f"{number:,} {what}" for what, number in comparison.counts.items())
    more = f", and {comparison.more:,} more that differ" if comparison.more else ""
    left = f" {comparison.unsettled:,} rows changed at every look." if comparison.unsettled else ""
    metadata: dict[str, dg.MetadataValue] = {
        "rows in the sources": dg.MetadataValue.int(rows),
        "rows here": dg.MetadataValue.int(sum(comparison.rows.values())),
        "findings": dg.MetadataValue.int(len(comparison.findings) + comparison.more),
        "rows that changed meanwhile": dg.MetadataValue.int(report.touched),
        "seconds": dg.MetadataValue.float(round(report.seconds, 3)),
        "rows read of the sources": dg.MetadataValue.int(sum(each.rows for each in report.load.values())),
        "seconds in the sources": dg.MetadataValue.float(round(sum(each.seconds for each in report.load.values()), 3)),
        "slowest fence, seconds": dg.MetadataValue.float(round(max(max(each.values()) for each in report.fences), 3)),
        "page": dg.MetadataValue.url(told.file.as_uri()),
        "page in the lake": dg.MetadataValue.path(told.object),
    }
    if comparison.findings:
        lines = [(each.key, each.what.value, each.detail) for each in comparison.findings[:SHOWN]]
        metadata["some findings"] = dg.MetadataValue.md(markdown(("row", "what", "values"), lines))
    said = f"{found}{more} of {rows:,} rows.{left}" if not comparison.sound else f"Equal in {rows:,} rows.{left}"
    return Verdict(comparison.sound, said, metadata=metadata)
