"""`dropless up` and `dropless down`: the whole pipeline on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

import typer
from rich.console import Console

from dropless import passwords
from dropless.cli import state_folder
from dropless.cli.interruptible import interruptible
from dropless.cli.steps import Steps
from dropless.cli.summary import Summary, look, show
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.example.load import load
from dropless.example.measure import measure_freshness
from dropless.settings import Settings, Topology
from local_stack import leftovers, ports_in_use
from local_stack.commands import end_all
from local_stack.install import install
from resources.bring_up import start_all
from resources.dagster import Runs
from resources.platform import LEFTOVER_SECONDS, LocalPlatform
from resources.waiting import until

Platform = Literal["local", "kubernetes"]

JOB = "provision"
JOB_SECONDS = 900.0
OWN = ("union", "lake_writer")
OWN_SECONDS = 120.0
FRESHNESS_TRIES = 5
EXAMPLE = "orders"


def up(
    *,
    topology: Annotated[
        Topology | None, typer.Option(help="How many nodes of each system; chosen once, at the first start.")
    ] = None,
    example: Annotated[bool, typer.Option(help="Make the example's shops, and measure with a few orders.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print where everything is for machines.")] = False,
    platform: Annotated[Platform, typer.Option(help="Where to: this machine, or a Kubernetes cluster.")] = "local",
    installation: Annotated[Path | None, typer.Option(help="On Kubernetes: the file of your installation.")] = None,
    context: Annotated[str | None, typer.Option(help="On Kubernetes: the context of the kubeconfig.")] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="On Kubernetes: the kubeconfig.")] = None,
    namespace: Annotated[str | None, typer.Option(help="On Kubernetes: the namespace of the systems.")] = None,
) -> None:
    """Start everything, provision it through Dagster, load the example, and say where everything is.

    Can be interrupted and run again at any time; when all is running it only makes sure of it. On Kubernetes it is
    `dropless kubernetes apply`.

    Example: dropless up
    """
    if platform == "kubernetes":
        from dropless.cli import kubernetes_install  # noqa: PLC0415 - read only when asked for

        told = kubernetes_install.installation_of(installation, namespace=namespace)
        kubernetes_install.install(told, None, context, kubeconfig, as_json=as_json)
        return
    if installation or context or kubeconfig or namespace:
        raise DroplessError("--installation, --context, --kubeconfig and --namespace are for --platform kubernetes.")
    settings = Settings.load(topology)
    with state_folder.lock(settings), Steps() as steps, interruptible():
        state_folder.claim(settings)
        machine = LocalPlatform(settings)
        was_running = machine.supervisor.running()
        try:
            summary = _bring_up(settings, machine, steps, example=example)
        except KeyboardInterrupt:
            steps.note("Interrupted: cleaning up.")
            end_all()
            if not was_running:
                machine.shut_down()
            raise
    if as_json:
        typer.echo(json.dumps(summary.as_json()))
    else:
        show(summary, Console(highlight=False, soft_wrap=True))


def down(
    *,
    wipe: Annotated[bool, typer.Option("--wipe", help="Also remove the state: all data, all passwords.")] = False,
) -> None:
    """Stop everything and leave no process; the data stays, unless it is to be wiped.

    Example: dropless down
    """
    settings = Settings.load()
    with state_folder.lock(settings), Steps() as steps, interruptible():
        platform = LocalPlatform(settings)
        if platform.supervisor.running() or leftovers.marked(settings):
            steps.begin("stop")
            platform.shut_down()
            steps.end("stop", "no process is left")
        else:
            steps.note("Nothing is running.")
        if wipe:
            steps.begin("wipe")
            state_folder.wipe(settings, platform.supervisor)
            steps.end("wipe", f"{settings.state} is gone")


def _bring_up(settings: Settings, platform: LocalPlatform, steps: Steps, *, example: bool) -> Summary:
    install(settings, lambda what, done: (steps.end if done else steps.begin)(what))
    endpoints = Endpoints.local(settings)
    for folder in (settings.config, settings.data, settings.logs):
        folder.mkdir(parents=True, exist_ok=True)
    passwords.ensure(settings.secrets)
    _begin(settings, platform, steps)

    def report(system: str, healthy: str | None) -> None:
        if healthy is None:
            steps.begin(system)
        else:
            steps.end(system, healthy)

    start_all(settings, platform, report)
    if example:
        steps.begin("example")
        load(settings, endpoints)
        steps.end("example", "three shops with orders")
    _provision(endpoints, steps)
    for system in OWN:
        steps.begin(system)
        platform.wait_healthy(system, OWN_SECONDS)
        steps.end(system, platform.health(system).detail)
    freshness = None
    if example:
        steps.begin("freshness")
        freshness = median(measure_freshness(endpoints) for _ in range(FRESHNESS_TRIES))
        steps.end("freshness", f"{freshness:.2f} s from a commit to a query's answer")
        steps.begin("lake")
        _first_merge(settings, endpoints)
        steps.end("lake", f"{EXAMPLE} is merged and published")
    return look(settings, endpoints, platform, freshness, steps.seconds)


def _first_merge(settings: Settings, endpoints: Endpoints) -> None:
    """Have the example's table in the lake at once, instead of when its changes have waited long enough."""
    # Half a second that other commands need not take.
    from dropless import logs  # noqa: PLC0415
    from dropless.lake.merge import Merge  # noqa: PLC0415
    from dropless.lake.published import after_merge  # noqa: PLC0415
    from dropless.lake.store import Store  # noqa: PLC0415

    logs.for_a_command()
    store, contract = Store.pipeline(endpoints), declared(settings, EXAMPLE)

    def missing() -> str | None:
        merged = Merge(store, contract.name, contract.description).run()
        return None if merged.version is not None else "the lake has no changes of it yet"

    until(f"The lake's table {EXAMPLE}", missing, OWN_SECONDS)
    after_merge(settings, store, contract)


def _begin(settings: Settings, platform: LocalPlatform, steps: Steps) -> None:
    """Have a supervisord, and see that the ports of what does not run yet are free."""
    running: set[str] = set()
    if platform.supervisor.running():
        running = {each.name for each in platform.supervisor.processes().values() if each.pid}
    elif leftovers.marked(settings):
        # supervisord was killed; its children hold our ports and our data.
        steps.begin("clean up")
        count = leftovers.end_all(settings, LEFTOVER_SECONDS)
        steps.end("clean up", f"{count} processes without a supervisor")
    ports_in_use.check([each for each in platform.processes if each.name not in running], settings)
    settings.port_base_file.write_text(str(settings.port_base))
    if not platform.supervisor.running():
        platform.supervisor.start()


def _provision(endpoints: Endpoints, steps: Steps) -> None:
    runs = Runs(endpoints)
    steps.begin("provision")
    run = runs.launch(JOB)
    steps.note(f"The run in Dagster: {runs.url(run)}")

    def report(step: str, status: str, seconds: float) -> None:
        if status == "IN_PROGRESS":
            steps.begin(f"  {step}")
        elif status in ("SUCCESS", "SKIPPED"):
            steps.end(f"  {step}", seconds=seconds)

    runs.follow(run, report, JOB_SECONDS)
    steps.end("provision", "everything is as declared")
