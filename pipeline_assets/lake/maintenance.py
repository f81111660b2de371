"""Compaction by the hour and cleaning by the night, as assets whose metadata tells how the tables are."""

import time
from collections.abc import Callable, Iterator

import dagster as dg

from dropless import names
from dropless.contract import Contract
from dropless.declared import declared
from dropless.lake.maintenance import clean, compact, statistics, waiting_seconds
from dropless.lake.store import Store
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.lake.running import TAG, failing_in_a_sentence, pool, statistics_metadata

COMPACTION = "lake_compaction"
CLEANING = "lake_cleaning"
_DESCRIPTIONS = {
    COMPACTION: "Small files of `{0}_changes` and `{0}` in the lake brought together; readers, the writer and merges "
    "go on meanwhile. Its metadata tells files, bytes and versions.",
    CLEANING: "What no version of the last days needs is deleted from the lake's tables of `{0}`, files that killed "
    "processes left among it; the logs are checkpointed and shortened. Time travel within the contract's `keep_days` "
    "stays.",
}
_CRON = {COMPACTION: "7 * * * *", CLEANING: "23 2 * * *"}


def maintenance(contract: Contract) -> dg.Definitions:
    """The two assets of a table."""

    def tidy(at: Installation, _: Contract) -> dict[str, dg.MetadataValue]:
        compact(Store.pipeline(at.endpoints), contract.name)
        return {}

    def swept(at: Installation, present: Contract) -> dict[str, dg.MetadataValue]:
        store = Store.pipeline(at.endpoints)
        waits = waiting_seconds(store, contract.name, time.time())
        deleted = clean(store, contract.name, present.lake.keep_days, waits=waits)
        for name, files in clean(store.published(), contract.name, present.lake.keep_days).items():
            deleted[f"{names.PUBLIC_FOLDER}/{name}"] = files
        return {"deleted_files": dg.MetadataValue.int(sum(deleted.values()))}

    return dg.Definitions(assets=[_asset(contract, COMPACTION, tidy), _asset(contract, CLEANING, swept)])


def _asset(
    contract: Contract, name: str, work: Callable[[Installation, Contract], dict[str, dg.MetadataValue]]
) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        keys.of_table(contract.name, name),
        deps=[keys.lake_changes(contract.name), keys.lake_table(contract.name)],
        description=_DESCRIPTIONS[name].format(contract.name),
        group_name=keys.provisioning_group(contract.name),
        owners=[contract.owner] if contract.owner else [],
        kinds={"deltalake"},
        tags={"dropless/table": contract.name, "dropless/kind": name, **TAG},
    )

    @dg.multi_asset(name=f"{contract.name}_{name}", specs=[spec], pool=pool(contract.name))
    def keep(installation: Installation) -> Iterator[dg.MaterializeResult[None]]:
        began = time.monotonic()
        with failing_in_a_sentence():
            done = work(installation, declared(installation.settings, contract.name))
            found = statistics(Store.pipeline(installation.endpoints), contract.name)
        seconds = dg.MetadataValue.float(round(time.monotonic() - began, 3))
        yield dg.MaterializeResult(
            asset_key=spec.key, metadata=statistics_metadata(found) | done | {"seconds": seconds}
        )

    return keep


def maintenance_schedules(at_first: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """A job for each kind of work, over all tables, and when it runs; `at_first`: whether they run at first."""
    about = {
        COMPACTION: "Bring small files of the lake's tables together.",
        CLEANING: "Delete from the lake what no version of the last days needs.",
    }
    return [
        dg.ScheduleDefinition(
            name=f"{name}_schedule",
            job=dg.define_asset_job(
                name,
                selection=dg.AssetSelection.tag("dropless/kind", name),
                description=about[name],
                executor_def=dg.in_process_executor,
            ),
            cron_schedule=_CRON[name],
            default_status=at_first,
        )
        for name in (COMPACTION, CLEANING)
    ]
