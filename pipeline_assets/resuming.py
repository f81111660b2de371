"""Connectors that a person paused or stopped, and that shall run on."""

import dagster as dg

from dropless import desired
from dropless.contract import load_contracts
from dropless.errors import DroplessError
from pipeline_assets.installation import Installation
from pipeline_assets.presentation import plan_metadata
from resources.provisioning import held, provision


class ResumeConfig(dg.Config):
    """The connector that shall run on, such as `orders.store`; all that are held back when none is named."""

    connector: str = ""


@dg.op(pool="platform")
def resume(context: dg.OpExecutionContext, installation: Installation, config: ResumeConfig) -> None:
    """Have connectors run on where they were."""
    adapters = installation.adapters
    contracts = load_contracts(installation.settings.contracts)
    known = [each for contract in contracts for each in desired.connectors(contract, installation.endpoints)]
    chosen = [each for each in known if config.connector in ("", each.name)]
    if not chosen:
        names = ", ".join(sorted(each.name for each in known))
        raise dg.Failure(f"No contract has a connector {config.connector!r}: there are {names}.")
    try:
        waiting = held(chosen, adapters)
        plan = provision([desired.running(each) for each in chosen if each.id in waiting], adapters)
    except DroplessError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.add_output_metadata(plan_metadata(plan))


@dg.job(executor_def=dg.in_process_executor)
def resume_connectors() -> None:
    """Have the connectors that somebody paused or stopped run on where they were; the others are not touched."""
    resume()
