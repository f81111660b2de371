"""Whether changes wait to be merged into the lake's current states, and the request for the run that merges them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import dagster as dg
from deltalake.exceptions import DeltaError

from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake.maintenance import waiting_seconds
from dropless.lake.store import Store
from pipeline_assets import keys
from pipeline_assets.lake import merge
from pipeline_assets.sensors.drift import UNFINISHED
from pipeline_assets.sensors.watching import PATIENCE_SECONDS, Tick, watch
from pipeline_assets.verdict import Verdict
from resources.patience import ask_all

MERGED = "merged_in_time"
PROMISE = "No change waits longer in the table of changes than the contract allows (`merge_seconds`)."
LOOK_SECONDS = 15
# Of the time that a change may wait; the rest is for the next look, for a run to start, and for the merge.
ASKED_AFTER = 0.4


def lake_merge(contracts: Sequence[Contract]) -> dg.Definitions:
    """The sensor over all tables, and the check that their merges keep up."""

    def look(tick: Tick) -> None:
        questions = {each.name: partial(_waiting, tick.installation.endpoints, each, tick.now) for each in contracts}
        answers = ask_all(tick.name, questions, PATIENCE_SECONDS) if questions else {}
        for contract in contracts:
            waits = answers[contract.name]
            tick.judge(dg.AssetCheckKey(keys.lake_table(contract.name), MERGED), judged(waits, contract))
            if isinstance(waits, float) and not _merging(tick, contract.name):
                key = run_key(contract.name, tick.now, waits, contract.lake.merge_seconds)
                if key:
                    asset = keys.lake_table(contract.name)
                    about = {"dropless/table": contract.name}
                    # Without its checks, which it would have otherwise: a reconciliation takes longer than a merge.
                    tick.runs.append(
                        dg.RunRequest(run_key=key, asset_selection=[asset], asset_check_keys=[], tags=about)
                    )

    return watch(
        "lake_merge",
        "Asks for a merge of a lake table when its oldest change not merged yet has waited for a while; where nothing "
        "happens, nothing runs. A merge that fails is asked for again, ever more rarely.",
        [
            dg.AssetCheckSpec(MERGED, asset=keys.lake_table(contract.name), description=PROMISE)
            for contract in contracts
        ],
        look,
        seconds=LOOK_SECONDS,
        job=merge.job(),
    )


def judged(waits: float | DroplessError | None, contract: Contract) -> Verdict:
    """Whether the merge keeps up."""
    if isinstance(waits, DroplessError):
        return Verdict(False, str(waits), risk=False)
    if waits is not None and waits > contract.lake.merge_seconds:
        return Verdict(
            False,
            f"Changes wait to be merged for longer than {contract.lake.merge_seconds} s.",
            risk=False,
            metadata={"waiting_seconds": dg.MetadataValue.float(round(waits, 1))},
        )
    return Verdict(True, PROMISE)


def run_key(table: str, now: float, waits: float, merge_seconds: int) -> str | None:
    """What the run is called that merges changes which have waited so long; None while it is too early.

    A run of the same key is never asked for twice: a merge that fails is tried again after twice the time each
    time, and by the hour from then on.
    """
    early = ASKED_AFTER * merge_seconds
    if waits < early:
        return None
    since = round(now - waits)
    return f"{table}:{since}:{math.floor(math.log2(waits / early))}:{math.floor(waits / 3600)}"


def _waiting(endpoints: Endpoints, contract: Contract, now: float) -> float | None:
    try:
        return waiting_seconds(Store.pipeline(endpoints, patient=False), contract.name, now)
    except (DeltaError, OSError) as error:
        raise DroplessError(f"The lake does not tell what waits to be merged: {error}") from error


def _merging(tick: Tick, table: str) -> bool:
    if tick.instance is None:
        # A person's look asks for nothing.
        return True
    return bool(
        tick.instance.get_runs_count(
            dg.RunsFilter(job_name=merge.JOB, statuses=UNFINISHED, tags={"dropless/table": table})
        )
    )
