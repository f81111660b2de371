"""The current state of a table, merged by runs."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from dropless.contract import Contract
from dropless.declared import declared
from dropless.lake.maintenance import statistics
from dropless.lake.merge import Merge, Summary
from dropless.lake.published import after_merge
from dropless.lake.store import Store
from pipeline_assets.installation import Installation
from pipeline_assets.lake.running import TAG, failing_in_a_sentence, pool
from pipeline_assets.lineage import lake_table

JOB = "merge_lake"
RETRY = dg.RetryPolicy(max_retries=2, delay=5)


def merged(contract: Contract) -> dg.Definitions:
    """The asset of `<table>` in the lake."""
    spec = lake_table(contract).merge_attributes(tags=TAG)

    @dg.multi_asset(name=f"{contract.name}_merge", specs=[spec], pool=pool(contract.name), retry_policy=RETRY)
    def merge(context: dg.AssetExecutionContext, installation: Installation) -> Iterator[dg.MaterializeResult[None]]:
        present = declared(installation.settings, contract.name)
        store = Store.pipeline(installation.endpoints)
        with failing_in_a_sentence():
            done = Merge(store, present.name, present.description).run()
            after_merge(installation.settings, store, present)
            rows = sum(each.rows for each in statistics(store, present.name) if each.table == present.name)
        context.log.info("%d changes in %d commits", done.changes, done.commits)
        yield dg.MaterializeResult(asset_key=spec.key, metadata=_metadata(done, rows))

    return dg.Definitions(assets=[merge])


def job() -> dg.JobDefinition | UnresolvedAssetJobDefinition:
    """The merge of every table; the sensor asks for one table at a time."""
    return dg.define_asset_job(
        JOB,
        # Without its checks: a reconciliation takes longer than a merge.
        selection=dg.AssetSelection.tag("dropless/kind", "lake_state").without_checks(),
        description="Bring the changes that came since the last merge into the lake's current states.",
        executor_def=dg.in_process_executor,
    )


def _metadata(done: Summary, rows: int) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(rows),
        "changes": dg.MetadataValue.int(done.changes),
        "written": dg.MetadataValue.int(done.written),
        "deleted": dg.MetadataValue.int(done.deleted),
        "superseded": dg.MetadataValue.int(done.superseded),
        "commits": dg.MetadataValue.int(done.commits),
        "files_written": dg.MetadataValue.int(done.files_added),
        "conflicts": dg.MetadataValue.int(done.conflicts),
        "seconds": dg.MetadataValue.float(round(done.seconds, 3)),
    }
    if done.version is not None:
        metadata["version"] = dg.MetadataValue.int(done.version)
    if done.merged_until is not None:
        metadata["merged_until"] = dg.MetadataValue.timestamp(datetime.fromtimestamp(done.merged_until / 1000, UTC))
    return metadata
