"""Curated datasets as assets: built by schedule or after a merge, checked, and shown."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from dropless import names
from dropless.contract import Contract
from dropless.lake import picture
from dropless.lake.built import Built
from dropless.lake.curating import build, parts
from dropless.lake.dataset import FOLDER, Dataset, datasets
from dropless.lake.personal import personal_of
from dropless.lake.published import after_build
from dropless.lake.store import Store
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.lake.running import TAG, failing_in_a_sentence, pool
from pipeline_assets.presentation import table

HIDDEN = "(personal)"


class Rebuild(dg.Config):
    """Whether parts are left alone whose rows have not changed since they were built."""

    only_changed: bool = False


def curated(contract: Contract, folder: Path, schedules: dg.DefaultScheduleStatus) -> dg.Definitions:
    """The datasets that lie beside a contract; `schedules`: whether theirs run at first."""
    found = datasets(contract, folder)
    made = dg.Definitions.merge(*(_dataset(contract, each, schedules) for each in found)) if found else dg.Definitions()
    waiting = [_key(each) for each in found if not each.header.schedule]
    if not waiting:
        return made
    sensor = dg.AutomationConditionSensorDefinition(
        f"{contract.name}_curated_after_merges",
        target=dg.AssetSelection.assets(*waiting),
        description="Builds the curated datasets that have no schedule of their own after what they read has changed.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    return dg.Definitions.merge(made, dg.Definitions(sensors=[sensor]))


def _key(dataset: Dataset) -> dg.AssetKey:
    return dg.AssetKey(["lake", FOLDER, dataset.name])


def _dataset(contract: Contract, dataset: Dataset, schedules: dg.DefaultScheduleStatus) -> dg.Definitions:
    cut = dg.DynamicPartitionsDefinition(name=f"{FOLDER}_{dataset.name}") if dataset.header.partition else None
    asset = _asset(contract, dataset, cut)
    if not dataset.header.schedule:
        return dg.Definitions(assets=[asset])
    job = dg.define_asset_job(
        f"build_{dataset.name}",
        selection=dg.AssetSelection.assets(_key(dataset)),
        description=f"Build the curated dataset {dataset.name}.",
        executor_def=dg.in_process_executor,
    )
    return dg.Definitions(
        assets=[asset], jobs=[job], schedules=[_schedule(dataset, asset.op.name, job, cut, schedules)]
    )


def _asset(contract: Contract, dataset: Dataset, cut: dg.DynamicPartitionsDefinition | None) -> dg.AssetsDefinition:
    header = dataset.header
    owner = header.owner or contract.owner
    lineage = {
        name: [dg.TableColumnDep(*_origin(contract, each)) for each in column.of]
        for name, column in header.columns.items()
    }
    spec = dg.AssetSpec(
        _key(dataset),
        deps=[_input(contract, name) for name in header.tables],
        description=f"{header.description}\n\n```sql\n{dataset.sql}\n```",
        group_name=contract.name,
        owners=[owner] if owner else [],
        kinds={"deltalake", "duckdb"},
        tags={"dropless/table": contract.name, "dropless/kind": FOLDER, **TAG},
        # Another definition is another version of the code.
        code_version=dataset.digest,
        partitions_def=cut,
        automation_condition=None if header.schedule else dg.AutomationCondition.eager(),
        metadata={
            "dagster/table_name": f"{names.LAKE_BUCKET}.{FOLDER}.{dataset.name}",
            "dagster/uri": f"s3://{names.LAKE_BUCKET}/{dataset.folder}",
            "dagster/column_lineage": dg.TableColumnLineage(lineage),
        },
    )
    checks = [dg.AssetCheckSpec(each.name, asset=spec.key, description=each.sentence) for each in header.checks]

    @dg.multi_asset(
        name=f"build_{FOLDER}_{dataset.name}",
        specs=[spec],
        check_specs=checks,
        pool=pool(f"{FOLDER}_{dataset.name}"),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def make(
        context: dg.AssetExecutionContext, installation: Installation, config: Rebuild
    ) -> Iterator[dg.MaterializeResult[None]]:
        only = list(context.partition_keys) if cut else None
        with failing_in_a_sentence():
            store = Store.pipeline(installation.endpoints)
            built = build(store, dataset, only, changed=config.only_changed)
            after_build(installation.settings, store, contract, dataset, built.schema.names)
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata=_metadata(contract, dataset, built),
            check_results=[_verdict(spec.key, name, count) for name, count in built.broken.items()],
        )

    return make


def _schedule(
    dataset: Dataset,
    step: str,
    job: UnresolvedAssetJobDefinition,
    cut: dg.DynamicPartitionsDefinition | None,
    at_first: dg.DefaultScheduleStatus,
) -> dg.ScheduleDefinition:
    only_changed = {"ops": {step: {"config": {"only_changed": True}}}}

    @dg.schedule(
        name=f"build_{dataset.name}_schedule",
        job=job,
        cron_schedule=dataset.header.schedule or "",
        description=f"Builds what has changed of {dataset.name}.",
        default_status=at_first,
    )
    def schedule(context: dg.ScheduleEvaluationContext, installation: Installation) -> dg.RunRequest | dg.SkipReason:
        if cut is None:
            return dg.RunRequest(run_config=only_changed)
        with failing_in_a_sentence():
            found = parts(Store.pipeline(installation.endpoints, patient=False), dataset)
        if not found:
            return dg.SkipReason("There are no rows yet.")
        known = context.instance.get_dynamic_partitions(str(cut.name))
        new = [each for each in found if each not in known]
        if new:
            context.instance.add_dynamic_partitions(str(cut.name), new)
        every = [*known, *new]
        # One run over all parts: it leaves alone what has not changed.
        tags = {ASSET_PARTITION_RANGE_START_TAG: every[0], ASSET_PARTITION_RANGE_END_TAG: every[-1]}
        return dg.RunRequest(run_config=only_changed, tags=tags)

    return schedule


def _input(contract: Contract, name: str) -> dg.AssetKey:
    return keys.lake_table(name) if name == contract.name else keys.lake_changes(contract.name)


def _origin(contract: Contract, column: str) -> tuple[dg.AssetKey, str]:
    name, _, own = column.partition(".")
    return _input(contract, name), own


def _verdict(key: dg.AssetKey, name: str, count: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=count == 0,
        description="As promised." if count == 0 else f"{count:,} are not.",
        metadata={"broken": dg.MetadataValue.int(count)},
    )


def _metadata(contract: Contract, dataset: Dataset, built: Built) -> dict[str, dg.MetadataValue]:
    columns = [
        dg.TableColumn(
            field.name,
            type=str(field.type),
            description=known.description if (known := dataset.header.columns.get(field.name)) else None,
        )
        for field in built.schema
    ]
    shown = {"plot": dg.MetadataValue.md(picture.markdown(built.plot, dataset.name))} if built.plot else {}
    return shown | {
        "dagster/row_count": dg.MetadataValue.int(built.rows),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns=columns)),
        "preview": dg.MetadataValue.md(_preview(contract, dataset, built.preview)),
        "version": dg.MetadataValue.int(built.version),
        "files": dg.MetadataValue.int(built.files),
        "bytes": dg.MetadataValue.int(built.bytes),
        "built_parts": dg.MetadataValue.int(len(built.parts)),
        "parts": dg.MetadataValue.text(", ".join(built.parts) or "none"),
    }


def _preview(contract: Contract, dataset: Dataset, rows: pa.Table) -> str:
    hidden = personal_of(contract, dataset.header, rows.column_names)

    def shown(name: str, value: Any) -> str:
        if name in hidden:
            return HIDDEN
        return "" if value is None else str(value)

    return table(
        rows.column_names, [[shown(name, row[name]) for name in rows.column_names] for row in rows.to_pylist()]
    )
