"""The code location: the platform, every declared table, the sensors that watch them, and the jobs."""

from __future__ import annotations

import dagster as dg

from dropless.contract import load_contracts
from pipeline_assets import jobs, platform, reconciliation, sensors, union
from pipeline_assets.folder import definitions_in
from pipeline_assets.installation import Installation
from pipeline_assets.lake.audit import lake_audits
from pipeline_assets.lake.running import TAG


@dg.definitions
def definitions() -> dg.Definitions:
    """Everything, for the contracts of this installation (`DROPLESS_CONTRACTS`)."""
    installation = Installation()
    contracts = load_contracts(installation.settings.contracts)
    audits = [*union.audits(contracts), *lake_audits(contracts)]
    reconciled = reconciliation.reconciliations(contracts)
    compared = [key for checks in reconciled.values() for each in checks for key in each.check_keys]
    tables = definitions_in(installation.settings.contracts)
    of_data = [
        spec.key
        for asset in tables.assets or ()
        if isinstance(asset, dg.AssetsDefinition) and any(TAG.items() <= each.tags.items() for each in asset.specs)
        for spec in asset.check_specs
    ]
    return dg.Definitions.merge(
        platform.definitions(),
        tables,
        sensors.definitions(contracts),
        dg.Definitions(asset_checks=audits),
        jobs.definitions(audits, installation.schedules, [*of_data, *compared]),
        reconciliation.definitions(reconciled, contracts, installation.schedules),
        # Steps are short and wait for servers: a process for each would cost more than it does.
        dg.Definitions(resources={"installation": installation}, executor=dg.in_process_executor),
    )
