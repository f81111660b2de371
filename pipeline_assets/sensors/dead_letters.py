"""Records that no contract could map, as they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import dagster as dg

from dropless import names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from pipeline_assets import keys
from pipeline_assets.sensors.watching import PATIENCE_SECONDS, Tick, watch
from pipeline_assets.verdict import Verdict
from resources.cluster import shared_view
from resources.dead_letters import DeadLetters
from resources.dead_letters import dead_letters as counted
from resources.patience import ask_all

CHECK = "no_new_dead_letters"
PROMISE = "No record of the last day could not be mapped."
RECENT_SECONDS = 24 * 3600.0
HOW_TO_REPAIR = "See `dropless dead-letters list`, mend the contract, and run the job `replay_dead_letters`."


def dead_letters(contracts: Sequence[Contract]) -> dg.Definitions:
    """The sensor and its checks."""
    specs = [dg.AssetCheckSpec(CHECK, asset=_asset(contract), description=PROMISE) for contract in contracts]
    return watch(
        "dead_letters",
        "Counts the records that could not be mapped, and warns for a day after one arrived.",
        specs,
        partial(_look, contracts),
    )


def _asset(contract: Contract) -> dg.AssetKey:
    return keys.topic(names.dead_topic(contract.name))


def _look(contracts: Sequence[Contract], tick: Tick) -> None:
    endpoints = tick.installation.endpoints
    questions = {
        f"The dead letters of {each.name}": partial(_count, endpoints, each.name, tick.memory.get(each.name))
        for each in contracts
    }
    answers = ask_all(tick.name, questions, PATIENCE_SECONDS)
    for contract, answer in zip(contracts, answers.values(), strict=True):
        check = dg.AssetCheckKey(_asset(contract), CHECK)
        if isinstance(answer, DroplessError):
            tick.judge(check, Verdict(False, str(answer)))
            continue
        tick.memory[contract.name] = answer
        _judge(tick, check, answer)


def _count(endpoints: Endpoints, table: str, before: dict[str, Any] | None) -> dict[str, Any]:
    """The count as it is remembered; the topic is read only when it has grown."""
    view = shared_view(endpoints)
    partitions = view.partitions([names.dead_topic(table)])
    end, newest = sum(view.ends(partitions).values()), view.newest(partitions)
    if before and before["end"] == end:
        return before
    found: DeadLetters = counted(endpoints, table)
    return {
        "end": end,
        "count": found.count,
        "counted": found.counted,
        "reason": found.newest_reason,
        "newest": newest.timestamp() if newest else None,
    }


def _judge(tick: Tick, check: dg.AssetCheckKey, found: dict[str, Any]) -> None:
    metadata: dict[str, dg.MetadataValue] = {"dead_letters": dg.MetadataValue.int(found["count"])}
    tick.tell(dg.AssetObservation(check.asset_key, metadata=metadata), {"count": found["count"]})
    recent = found["count"] and found["newest"] is not None and tick.now - found["newest"] < RECENT_SECONDS
    if not recent:
        tick.judge(check, Verdict(True, PROMISE, metadata=metadata), {})
        return
    metadata["newest"] = dg.MetadataValue.timestamp(found["newest"])
    more = "" if found["counted"] else "more than "
    said = f"There are {more}{found['count']:,} dead letters, the newest because: {found['reason']} {HOW_TO_REPAIR}"
    tick.judge(check, Verdict(False, said, risk=False, metadata=metadata), {"count": found["count"]})
