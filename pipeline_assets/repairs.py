"""The repair of what can safely be repaired without a person: one job, bounded attempts, one clear end."""

import time
from collections.abc import Callable

import dagster as dg

from dropless.attempts import Ailment
from dropless.contract import load_contracts
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, NotReady
from pipeline_assets.installation import Installation
from pipeline_assets.presentation import table
from resources.platform import LocalPlatform
from resources.repair import RESTART, Repair, Repairs
from resources.waiting import until

ATTEMPTS = 3
# Doubled after each attempt.
FIRST_PAUSE_SECONDS = 5.0
# A mended thing is given so long to be well again.
WELL_SECONDS = 45.0
# In the order in which one helps the next.
DESCRIPTIONS = {
    RESTART: "Start every process that should run and that supervisord has given up or was told to stop.",
    "undo_overrides": "Take back settings that somebody gave to running brokers, to our topics or to Kafka's own, and "
    "that weaken the durability table.",
    "raise_features": "Raise features of Kafka that protect data and that somebody lowered, such as eligible leader "
    "replicas.",
    "reapply_drifted": "Apply what is declared and differs or is missing; what would lose data is left to a person.",
    "restart_failed_tasks": "Restart connectors and tasks that have failed; those that run go on.",
    "elect_preferred_leaders": "Give every partition back to its preferred leader, so that the brokers share the work.",
}


def repairs(installation: Installation) -> Repairs:
    """Everything that can be repaired on this installation; nothing connects before it is used."""
    settings = installation.settings
    contracts = load_contracts(settings.contracts)
    platform = None if Endpoints.elsewhere() else LocalPlatform(settings)
    return Repairs(contracts, installation.endpoints, platform, installation.adapters)


def _op(kind: str) -> dg.OpDefinition:
    @dg.op(name=kind, description=DESCRIPTIONS[kind], pool="platform")
    def repair(context: dg.OpExecutionContext, installation: Installation) -> None:
        chosen = next(each for each in repairs(installation).kinds if each.name == kind)
        try:
            found = mend(chosen, context.log.info)
        except DroplessError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        rows = [(each.id, each.detail) for each in found]
        context.add_output_metadata(
            {"repaired": dg.MetadataValue.int(len(found)), "what": dg.MetadataValue.md(table(("what", "found"), rows))}
        )

    return repair


OPS = [_op(kind) for kind in DESCRIPTIONS if kind != RESTART or not Endpoints.elsewhere()]


@dg.job(executor_def=dg.in_process_executor)
def repair() -> None:
    """Look again at what ails, and mend what can be mended without losing anything; stop after three attempts."""
    for each in OPS:
        each()


def mend(chosen: Repair, say: Callable[[str], None]) -> list[Ailment]:
    """Mend one kind, if anything ails now.

    Returns:
        What ailed at first.

    Raises:
        DroplessError: something ails still after the last attempt; the sentence says what was tried.
    """
    first = found = chosen.find()
    if not first:
        return first
    for attempt in range(ATTEMPTS):
        say(f"attempt {attempt + 1}: {'; '.join(each.detail for each in found or first)}")
        refused = ""
        try:
            chosen.mend()
        except DroplessError as error:
            refused = str(error)
        found = _left(chosen)
        if not found and not refused:
            return first
        if attempt + 1 < ATTEMPTS:
            time.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
    left = "; ".join(each.detail for each in found or first)
    raise DroplessError(f"Given up after {ATTEMPTS} attempts: {left}. {refused}".rstrip())


def _left(chosen: Repair) -> list[Ailment]:
    """What ails still, after it has had time to become well.

    Raises:
        DroplessError: in the end nobody answers what ails.
    """

    def ails() -> str | None:
        try:
            return "; ".join(each.detail for each in chosen.find()) or None
        except DroplessError as error:
            # A server that was just started does not answer yet, or not sensibly.
            return str(error)

    try:
        until(chosen.name, ails, WELL_SECONDS)
    except NotReady:
        return chosen.find()
    return []
