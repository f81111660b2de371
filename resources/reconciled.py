"""A reconciliation and what stays of it: a page, in the lake's bucket and on this machine, and a line of history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropless import names
from dropless.contract import Contract, Source
from dropless.endpoints import Endpoints
from dropless.lake.store import Store
from dropless.passwords import write
from dropless.reconciliation import history
from dropless.reconciliation.findings import Report, Tier
from dropless.reconciliation.page import page
from dropless.reconciliation.where import Where
from dropless.settings import Settings
from resources.reconcile_repair import Mended, ReconcileRepair
from resources.reconciliation import Limits, Progress, Reconciliation, Step

PAGES_KEPT: Final = 50
REPAIRS: Final = 5
"""A repair is followed by another reconciliation; what it still finds may be repaired so often."""


@dataclass(frozen=True)
class Told:
    """A report, and where its page is."""

    report: Report
    file: Path
    object: str


@dataclass(frozen=True)
class Proof:
    """What a repair did, and the reconciliation after it."""

    before: Report
    mended: tuple[Mended, ...]
    after: Told


def reconcile(
    settings: Settings,
    contract: Contract,
    sources: Sequence[Source],
    tier: Tier,
    limits: Limits,
    *,
    where: Where | None = None,
    progress: Progress = lambda _: None,
) -> Told:
    """Reconcile, remember it if all rows were compared, and write its page.

    Raises:
        DroplessError: as `Reconciliation.run`, or the object storage takes no page.
    """
    endpoints = Endpoints.load(settings)
    report = Reconciliation(endpoints, contract, sources, tier, limits, progress, where).run()
    path = settings.reconciliations(contract.name)
    text = page(report, history.load(path) if where else history.remember(path, report))
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{report.id}.html"
    write(file, text)
    for old in sorted(folder.glob("*.html"))[:-PAGES_KEPT]:
        old.unlink()
    place = f"{names.RECONCILIATION_FOLDER}/{contract.name}/{file.name}"
    store = Store.pipeline(endpoints)
    store.client().put_object(
        Bucket=store.bucket, Key=place, Body=text.encode(), ContentType="text/html; charset=utf-8"
    )
    return Told(report, file, f"s3://{store.bucket}/{place}")


def repair(
    settings: Settings,
    contract: Contract,
    sources: Sequence[Source],
    limits: Limits,
    *,
    where: Where | None = None,
    progress: Progress = lambda _: None,
    found: Report | None = None,
) -> Proof:
    """Mend what a full reconciliation finds, and reconcile again as the proof.

    Raises:
        DroplessError: as `reconcile` and `ReconcileRepair.mend`.
    """
    mend = ReconcileRepair(
        Endpoints.load(settings), contract, settings.backfills, lambda what: progress(Step(what))
    ).mend
    before = found or reconcile(settings, contract, sources, Tier.FULL, limits, where=where, progress=progress).report
    report, mended = before, list[Mended]()
    for _ in range(REPAIRS):
        beyond = any(each.more for each in report.comparisons)
        mended += mend(report)
        after = reconcile(settings, contract, sources, Tier.FULL, limits, where=where, progress=progress)
        report = after.report
        # Beyond the limit of differences there was more to find.
        if report.sound or not beyond:
            break
    return Proof(before, tuple(mended), after)
