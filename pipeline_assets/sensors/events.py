"""Every event of every source, accounted for by its offset within a minute of the union's having read it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import dagster as dg

from dropless import names
from dropless.contract import Contract
from dropless.errors import DroplessError, Unreachable
from pipeline_assets import keys
from pipeline_assets.sensors.watching import PATIENCE_SECONDS, Tick, watch
from pipeline_assets.union import ONCE, verdict
from pipeline_assets.verdict import Verdict
from resources.audit import audit
from resources.patience import ask_all

LOOK_SECONDS = 60
# The numbers of events are plotted; one point every five minutes is enough.
PAUSE_SECONDS = 300.0


def events(contracts: Sequence[Contract]) -> dg.Definitions:
    """The sensor; it judges the check that the audit's own runs judge, and goes on from the same bookmarks."""
    return watch(
        "events",
        "Accounts every minute for the events that the union has read since the last look: each came out once, as a "
        "row or a dead letter. It is the audit, a little at a time.",
        [],
        partial(_look, contracts),
        seconds=LOOK_SECONDS,
    )


def _look(contracts: Sequence[Contract], tick: Tick) -> None:
    endpoints, settings = tick.installation.endpoints, tick.installation.settings
    questions = {
        f"The audit of {each.name}": partial(audit, endpoints, each, settings.audit_bookmark(each.name))
        for each in contracts
    }
    answers = ask_all(tick.name, questions, PATIENCE_SECONDS) if questions else {}
    for contract, report in zip(contracts, answers.values(), strict=True):
        asset = keys.topic(names.unified_topic(contract.name))
        check = dg.AssetCheckKey(asset, ONCE)
        if isinstance(report, Unreachable):
            # Brokers that are away are told by others, and the first look at a long past takes longer than a tick.
            continue
        if isinstance(report, DroplessError):
            tick.judge(check, Verdict(False, str(report)))
            continue
        judged = verdict(report)
        tick.judge(check, judged, {"findings": len(report.findings)})
        if report.records:
            observation = dg.AssetObservation(asset, metadata=judged.metadata)
            tick.tell(observation, {"at": tick.now}, repeat=False, pause=PAUSE_SECONDS)
