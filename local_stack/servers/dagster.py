"""Dagster: the web server, the daemon, and the code location that both talk to."""

from __future__ import annotations

import shutil
import sys

from dropless.contract import load_contracts
from dropless.declared import contract_digest
from dropless.settings import LOOPBACK, PROJECT
from local_stack.commands import run
from local_stack.context import Context
from local_stack.process import Process, short_digest

SYSTEM = "dagster"


def processes(context: Context) -> list[Process]:
    """The code server first: the other two ask it for the definitions."""
    code, web = context.port("dagster_code"), context.port("dagster")
    workspace = str(PROJECT / "workspace.yaml")
    return [
        _process(
            context,
            "dagster-code-1",
            *("dagster", "api", "grpc", "-m", "pipeline_assets.definitions", "-h", LOOPBACK, "-p", str(code)),
            *("--location-name", "dropless", "--inject-env-vars-from-instance"),
            port={"Dagster code server": code},
            # The code location reads the contracts once: others mean a restart.
            contracts=_contracts_digest(context),
        ),
        _process(
            context,
            "dagster-webserver-1",
            *("dagster_webserver", "-w", workspace, "-h", LOOPBACK, "-p", str(web)),
            *("--live-data-poll-rate", "5000", "--suppress-warnings"),
            port={"Dagster UI": web},
        ),
        _process(context, "dagster-daemon-1", "dagster._daemon", "run", "-w", workspace),
    ]


def _process(
    context: Context, name: str, *arguments: str, port: dict[str, int] | None = None, contracts: str = ""
) -> Process:
    return Process(
        system=SYSTEM,
        name=name,
        argv=(sys.executable, "-m", *arguments),
        environment={
            **context.settings.environment(),
            "DAGSTER_HOME": str(home(context)),
            "DROPLESS_DAGSTER_CODE_PORT": str(context.port("dagster_code")),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "PYTHONUNBUFFERED": "1",
            # A client library in C can take the process with it: then its log says where.
            "PYTHONFAULTHANDLER": "1",
            "MALLOC_ARENA_MAX": "2",
            "DROPLESS_CONTRACT_DIGEST": contracts,
        },
        ports=port or {},
        directory=PROJECT,
        stop_seconds=15,
    )


def _contracts_digest(context: Context) -> str:
    return short_digest(" ".join(contract_digest(each) for each in load_contracts(context.settings.contracts)))


def home(context: Context) -> str:
    """DAGSTER_HOME: runs, schedules and event logs."""
    return str(context.data("dagster"))


def prepare(context: Context, process: Process) -> None:
    """Put the instance's configuration where Dagster looks for it, and make its databases."""
    folder = context.data("dagster")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT / "dagster.yaml", folder / "dagster.yaml")
    done = folder / "databases-made"
    if not done.exists():
        # Otherwise the web server and the daemon both make them at the same time, and one of them fails.
        for name in ("history", "schedules"):
            shutil.rmtree(folder / name, ignore_errors=True)
        run(
            [sys.executable, "-m", "dagster", "instance", "migrate"],
            what="Making Dagster's databases",
            log=context.settings.logs / "dagster.prepare.log",
            environment=process.environment,
        )
        done.touch()
