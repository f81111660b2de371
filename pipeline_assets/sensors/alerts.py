"""Tells people of what fails: every check that finds data at risk, whoever evaluated it."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from dropless.alerts import Ledger, Problem
from dropless.contract import Contract
from dropless.errors import DroplessError
from pipeline_assets.sensors.drift import WATCH
from pipeline_assets.sensors.watching import Tick, watch
from pipeline_assets.verdict import Verdict
from resources.notifier import Channels, Notifier

DELIVERED = "alerts_are_delivered"
PROMISE = "Every channel has taken every alert."


def alerts(_: Sequence[Contract]) -> dg.Definitions:
    """The sensor, and the check that its alerts arrive."""
    return watch(
        "alerts",
        "Sends one alert when a check has found data at risk for a while, and one when that is over: into the log, and "
        "to the webhook and the mail addresses in `alerts.toml`.",
        [dg.AssetCheckSpec(DELIVERED, asset=WATCH, description=PROMISE)],
        _look,
    )


def _look(tick: Tick) -> None:
    check = dg.AssetCheckKey(WATCH, DELIVERED)
    if tick.instance is None:
        # Only the sensor's own memory knows what was told to whom.
        tick.judge(check, Verdict(True, "Looked at by the sensor alone."))
        return
    ledger = Ledger(tick.memory.get("ledger", {}))
    ledger.look({each.id: each for each in problems(tick.instance, tick.checks)}, tick.now)
    try:
        channels = Channels.load(tick.installation.settings.alerts)
        wrong = []
    except DroplessError as error:
        channels, wrong = Channels(), [str(error)]
    for name, send in Notifier(channels, tick.installation.endpoints.dagster).senders.items():
        for alert in ledger.due(name, tick.now):
            try:
                send(alert)
            except DroplessError as error:
                wrong.append(str(error))
                # The channel is away: the next look tries again, for this alert and those after it.
                break
            ledger.told(name, alert)
    tick.memory["ledger"] = ledger.as_state()
    # A warning: an alert about alerts would not arrive either.
    tick.judge(check, Verdict(not wrong, "; ".join(wrong) or PROMISE, risk=False))


def problems(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> list[Problem]:
    """The checks whose newest evaluation found data at risk, or whose run failed."""
    # One query for all; the public interface has one a check.
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    found = []
    for check, record in newest.items():
        evaluation = record.evaluation
        failed = record.status == Status.FAILED and evaluation is not None
        if failed and evaluation and evaluation.severity == dg.AssetCheckSeverity.ERROR and not evaluation.passed:
            asset = check.asset_key.to_user_string()
            name = check.name.replace("_", " ")
            found.append(Problem(f"{asset}:{check.name}", f"{asset}: {name}: no", evaluation.description or ""))
    return sorted(found, key=lambda each: each.id)
