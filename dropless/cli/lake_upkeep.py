"""`dropless lake merge`, `audit` and `restore`: what operators do with the lake's tables."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dropless.cli.as_json import AsJson, write_json

if TYPE_CHECKING:
    from dropless.contract import Contract
    from dropless.endpoints import Endpoints
    from dropless.settings import Settings

FINDINGS = 3

UnifiedTable = Annotated[str, typer.Argument(help="A unified table, such as orders.", show_default=False)]


def merge(table: UnifiedTable, *, as_json: AsJson = False) -> None:
    """Merge what has changed into a table's current state now, instead of waiting for Dagster to do it.

    Example: [bold]dropless lake merge orders[/]
    """
    from dropless import logs  # noqa: PLC0415 - the lake's libraries take a second to import
    from dropless.lake import damage  # noqa: PLC0415
    from dropless.lake.fault_points import FAULTS  # noqa: PLC0415
    from dropless.lake.merge import Merge  # noqa: PLC0415
    from dropless.lake.published import after_merge  # noqa: PLC0415
    from dropless.lake.store import Store  # noqa: PLC0415

    logs.for_a_command()
    settings, contract, endpoints = _asked_for(table)
    store = Store.pipeline(endpoints)
    with damage.sentences():
        done = Merge(store, contract.name, contract.description, FAULTS.reached(os.environ)).run()
        after_merge(settings, store, contract)
    if as_json:
        write_json(asdict(done))
        return
    _console().print(
        f"{done.changes:,} changes merged into {table}: {done.written:,} rows written, {done.deleted:,} deleted, "
        f"{done.superseded:,} superseded; {done.commits:,} commits, {done.seconds:.1f} s"
    )


def audit(table: UnifiedTable, *, as_json: AsJson = False) -> None:
    """See that the lake has every row of the unified topic once; exit code 3 when something is wrong.

    Example: [bold]dropless lake audit orders[/]
    """
    from resources.lake_audit import audit_lake  # noqa: PLC0415 - as above

    _, contract, endpoints = _asked_for(table)
    report = audit_lake(endpoints, contract)
    if as_json:
        write_json(asdict(report))
    else:
        console = _console()
        for finding in report.findings:
            console.print(finding)
        console.print(
            f"{len(report.findings)} findings in {report.rows:,} rows of the topic, {report.changes:,} changes and "
            f"{report.current:,} current rows; {report.seconds:.1f} s"
        )
    if report.findings:
        raise typer.Exit(FINDINGS)


def restore(table: UnifiedTable, *, as_json: AsJson = False) -> None:
    """Read every byte of a table in the lake, and write anew what is gone or broken.

    Changes come from the unified topic, which has all of them, and the current state from the changes.

    Example: [bold]dropless lake restore orders[/]
    """
    from dropless.lake.fault_points import FAULTS  # noqa: PLC0415 - as above
    from resources.restore_lake import restore as run  # noqa: PLC0415

    _, contract, endpoints = _asked_for(table)
    with Console(stderr=True).status(f"looking through {table}") as status:
        done = run(endpoints, contract, status.update, FAULTS.reached(os.environ))
    if as_json:
        write_json(asdict(done))
        return
    told = [f"{count:,} {what}" for what, count in done.told()]
    _console().print(f"Written anew: {', '.join(told)}." if told else f"Every file of {table} in the lake can be read.")


def _asked_for(table: str) -> tuple[Settings, Contract, Endpoints]:
    from dropless.declared import declared  # noqa: PLC0415 - as above
    from dropless.endpoints import Endpoints  # noqa: PLC0415
    from dropless.settings import Settings  # noqa: PLC0415

    settings = Settings.load()
    return settings, declared(settings, table), Endpoints.load(settings)


def _console() -> Console:
    return Console(soft_wrap=True, highlight=False)
