"""A gap in what a source could tell, once a person has dealt with it."""

import json
import time

import dagster as dg

from dropless import names
from dropless.contract import load_contracts
from pipeline_assets.installation import Installation
from pipeline_assets.sensors.retention import accepted_gaps


class GapConfig(dg.Config):
    """The connector whose source was read anew and reconciled, such as `orders.store`."""

    connector: str


@dg.op
def accept_gap(context: dg.OpExecutionContext, installation: Installation, config: GapConfig) -> None:
    """Note that the gap is dealt with, so that its check can pass again."""
    settings = installation.settings
    known = {
        names.connector(contract.name, source.name)
        for contract in load_contracts(settings.contracts)
        for source in contract.sources
    }
    if config.connector not in known:
        raise dg.Failure(f"No contract has a connector {config.connector!r}: there are {', '.join(sorted(known))}.")
    file = accepted_gaps(settings)
    accepted = json.loads(file.read_text()) if file.is_file() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(accepted | {config.connector: time.time()}))
    fresh.replace(file)
    context.log.info("The gap of %s is accepted.", config.connector)


@dg.job(executor_def=dg.in_process_executor)
def accept_gaps() -> None:
    """After a source was read anew and reconciled: take back the report that changes are missing."""
    accept_gap()
