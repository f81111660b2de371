"""The audit of the lake as an asset check, in the job `audit`."""

from collections.abc import Iterator, Sequence

import dagster as dg

from dropless.contract import Contract
from dropless.errors import DroplessError
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.verdict import Verdict
from resources.lake_audit import LakeReport, audit_lake

ONCE = "each_row_once"


def lake_audits(contracts: Sequence[Contract]) -> list[dg.AssetChecksDefinition]:
    """The check of each table of changes."""
    return [_check(contract) for contract in contracts]


def _check(contract: Contract) -> dg.AssetChecksDefinition:
    spec = dg.AssetCheckSpec(
        ONCE,
        asset=keys.lake_changes(contract.name),
        description="Every row of the unified topic is in the lake, and none more often than there; the current state "
        "is what follows from the changes that are merged into it.",
    )

    @dg.multi_asset_check(name=f"{contract.name}_lake_audit", specs=[spec], pool=f"audit_{contract.name}")
    def check(installation: Installation) -> Iterator[dg.AssetCheckResult]:
        try:
            report = audit_lake(installation.endpoints, contract)
        except DroplessError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        yield _verdict(report).result(spec.key)

    return check


def _verdict(report: LakeReport) -> Verdict:
    read = f"{report.rows:,} rows of the topic, {report.changes:,} changes, {report.current:,} current rows"
    return Verdict(
        not report.findings,
        " ".join(report.findings) if report.findings else f"Nothing wrong in {read}.",
        metadata={
            "rows": dg.MetadataValue.int(report.rows),
            "changes": dg.MetadataValue.int(report.changes),
            "current rows": dg.MetadataValue.int(report.current),
            "seconds": dg.MetadataValue.float(round(report.seconds, 3)),
        },
    )
