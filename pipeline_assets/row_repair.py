"""The repair of rows that differ from their sources, asked for by a finding or by a person."""

from collections.abc import Iterator, Sequence

import dagster as dg

from dropless.contract import Contract
from dropless.declared import declared
from dropless.errors import DroplessError
from dropless.reconciliation import history
from dropless.reconciliation.findings import Report, Tier
from pipeline_assets.installation import Installation
from pipeline_assets.presentation import table as markdown
from pipeline_assets.sensors import watching
from pipeline_assets.teller import Teller
from resources import reconciled
from resources.backfills import chosen
from resources.reconciliation import Limits

SHOWN = 20
# A table of a hundred million rows with a rate takes a night.
MAX_RUNTIME_SECONDS = 24 * 3600


class RepairRowsConfig(dg.Config):
    """Which table's rows are to be mended."""

    table: str


@dg.op(pool="repair_rows")
def mend_rows(context: dg.OpExecutionContext, installation: Installation, config: RepairRowsConfig) -> None:
    """Read again what is missing or wrong, delete what no source has, and reconcile once more."""
    settings = installation.settings
    try:
        contract = declared(settings, config.table)
        limits = Limits(rate=contract.reconcile.rate)
        proof = reconciled.repair(settings, contract, chosen(contract, []), limits, progress=Teller(context.log))
    except DroplessError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    after = proof.after.report
    context.add_output_metadata(
        {
            "what was wrong": dg.MetadataValue.md(_wrong(proof.before)),
            "what was done": dg.MetadataValue.md(
                markdown(
                    ("what", "rows"),
                    [(each.what, f"{each.rows:,}") for each in proof.mended],
                )
            ),
            "findings left": dg.MetadataValue.int(len(after.findings) + sum(each.more for each in after.comparisons)),
            "page": dg.MetadataValue.url(proof.after.file.as_uri()),
            "page in the lake": dg.MetadataValue.path(proof.after.object),
        }
    )
    if not after.sound:
        raise dg.Failure(f"After the repair {len(after.findings):,} rows still differ.", allow_retries=False)


def _wrong(report: Report) -> str:
    if report.sound:
        return "Nothing."
    lines = [(each.system, each.key, each.what.value, each.detail) for each in report.findings[:SHOWN]]
    left = len(report.findings) - SHOWN + sum(each.more for each in report.comparisons)
    return markdown(("system", "row", "what", "values"), lines) + (f"\n\n... and {left:,} more." if left > 0 else "")


@dg.job(executor_def=dg.in_process_executor, tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)})
def repair_rows() -> None:
    """Reconcile a table, mend the rows that differ by changes that go the whole way, and reconcile again as proof."""
    mend_rows()


def row_repairs(contracts: Sequence[Contract]) -> dg.SensorDefinition:
    """What asks for the repair of the tables whose contracts allow it."""
    willing = [each.name for each in contracts if each.reconcile.repair]

    @dg.sensor(
        name="row_repairs",
        job=repair_rows,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for the repair of rows once a full reconciliation has found some, for tables whose contract "
        "says `reconcile: {repair: true}`.",
    )
    def asked_for() -> Iterator[dg.RunRequest]:
        settings = watching.installation().settings
        if not settings.repairs:
            return
        for name in willing:
            past = [each for each in history.load(settings.reconciliations(name)) if each.tier is Tier.FULL]
            # What a repair left is for a person: it would only be left again.
            if past and not past[-1].sound and (len(past) == 1 or past[-2].sound):
                config = {"ops": {"mend_rows": {"config": {"table": name}}}}
                yield dg.RunRequest(run_key=f"{name}-{past[-1].id}", run_config=config, tags={"dropless/table": name})

    return asked_for
