"""The durability table, watched on the running cluster."""

from collections.abc import Iterator

import dagster as dg

from dropless.errors import DroplessError
from dropless.invariants import INVARIANTS, Finding, Invariant, findings
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.presentation import findings_table
from pipeline_assets.sensors.reports import Reports
from pipeline_assets.verdict import Verdict
from resources.cluster import ClusterView

KAFKA = keys.system("kafka")
TICK_SECONDS = 30
SHOWN = 50

_SPECS = [dg.AssetCheckSpec(each.name, asset=KAFKA, description=each.promise) for each in INVARIANTS]


@dg.multi_asset_check(name="durability_checks", specs=_SPECS, can_subset=True)
def durability_checks(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> Iterator[dg.AssetCheckResult]:
    """Look at every broker and topic now; the sensor does the same twice a minute."""
    for check, verdict, _ in _look(installation):
        if check in context.selected_asset_check_keys:
            yield verdict.result(check)


@dg.sensor(minimum_interval_seconds=TICK_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def durability(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult:
    """Checks on the Kafka asset: do brokers, topics and replicas live up to the durability table?

    Asks the brokers only. When Kafka does not answer, that itself is the report.
    """
    reports = Reports(context.cursor)
    for check, verdict, found in _look(installation):
        reports.add(verdict.evaluation(check), {"found": found})
    return reports.result()


def _look(installation: Installation) -> Iterator[tuple[dg.AssetCheckKey, Verdict, list[Finding]]]:
    try:
        found = findings(ClusterView(installation.endpoints).cluster())
    except DroplessError as error:
        # Only that nothing answers is known, but none of the promises can be vouched for.
        unseen = Finding("the cluster", "an answer", str(error), "nothing is known about the copies of any record")
        found = {invariant.name: [unseen] for invariant in INVARIANTS}
    for invariant in INVARIANTS:
        check = dg.AssetCheckKey(KAFKA, invariant.name)
        yield check, _verdict(invariant, found[invariant.name]), found[invariant.name]


def _verdict(invariant: Invariant, found: list[Finding]) -> Verdict:
    metadata: dict[str, dg.MetadataValue] = {"findings": dg.MetadataValue.int(len(found))}
    if not found:
        return Verdict(True, invariant.promise, metadata=metadata)
    metadata["where"] = dg.MetadataValue.md(findings_table(found[:SHOWN]))
    first = f"{found[0].where}: expected {found[0].expected}, found {found[0].found}"
    return Verdict(False, first, invariant.protects_data, metadata)
