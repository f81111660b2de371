"""The union workers and lake writers as supervised processes."""

from __future__ import annotations

from dropless.contract import load_contracts
from dropless.declared import written
from dropless.processes import OwnProcess, own_processes
from dropless.settings import PROJECT
from local_stack.context import Context
from local_stack.process import ConfigFile, Process


def processes(context: Context) -> list[Process]:
    """One program per process that the contracts ask for."""
    contracts = load_contracts(context.settings.contracts)
    return [_program(context, each) for each in own_processes(contracts, context.settings)]


def _program(context: Context, own: OwnProcess) -> Process:
    return Process(
        system=own.kind,
        name=own.name,
        argv=own.argv,
        environment={
            **context.settings.environment(),
            "DROPLESS_CONTRACT_DIGEST": own.contract_digest,
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "2",
        },
        files=(ConfigFile(own.contract_file, written(own.contract)),),
        ports={f"status of {own.name}": own.port},
        directory=PROJECT,
        table=own.table,
        stop_seconds=15,
    )
