"""Signs of life of the data that flows by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg

from dropless import names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.readers import Reader, Stage, readers
from pipeline_assets import keys
from pipeline_assets.presentation import table
from pipeline_assets.sensors.watching import PATIENCE_SECONDS, Tick, watch
from pipeline_assets.verdict import Verdict
from resources.cluster import shared_view
from resources.flow import Arrived, in_lake, in_pinot
from resources.freshness import freshness
from resources.patience import ask_all
from resources.progress import Progress

FRESH = "fresh_enough"
PROMISE = "Answers are no further behind the sources than the contract allows, at the best moment of the last minutes."
WINDOW_SECONDS = 150.0
# Right after a start one look tells how long nothing was heard: the first heartbeat is still to come.
LEAST_LOOKS = 2
AGAIN_SECONDS = 12.0
OBSERVE_SECONDS = 60.0
# Well inside the shortest window that a freshness policy can have.
CONFIRM_SECONDS = 25
# Under traffic every tick has news of every topic: the event log would grow by gigabytes a year.
TOPIC_SECONDS = 300


def flow(contracts: Sequence[Contract]) -> dg.Definitions:
    """The sensor over all tables, and the check of Pinot's freshness."""
    specs = [
        dg.AssetCheckSpec(FRESH, asset=keys.pinot_table(contract.name), description=PROMISE) for contract in contracts
    ]

    def look(tick: Tick) -> None:
        endpoints = tick.installation.endpoints
        questions: dict[str, Callable[[], Any]] = {}
        for contract in contracts:
            questions |= {
                f"Topics of {contract.name}": partial(_topics, endpoints, contract),
                f"Pinot's table {contract.name}": partial(_arrived, endpoints, contract, _PINOT),
                f"The lake's table {contract.name}": partial(_arrived, endpoints, contract, _LAKE),
                f"Freshness of {contract.name}": partial(freshness, endpoints, contract),
            }
        answers = ask_all(tick.name, questions, PATIENCE_SECONDS)
        for contract in contracts:
            # What nobody tells is no sign of life; the other sensors say who does not answer.
            for topic, facts in _known(answers[f"Topics of {contract.name}"], {}).items():
                _tell_topic(tick, topic, *facts)
            for place, name in ((_PINOT, "Pinot's"), (_LAKE, "The lake's")):
                arrived, complete = _known(answers[f"{name} table {contract.name}"], (None, False))
                _tell_table(tick, contract, place, arrived, complete=complete)
            _judge_freshness(tick, contract, answers[f"Freshness of {contract.name}"])

    return watch(
        "flow",
        "Reports topics, Pinot tables and lake tables as materialised when new rows arrived in them; a table that has "
        "everything its sources have is reported as well, since it is fresh even when nothing happens.",
        specs,
        look,
        again_after=AGAIN_SECONDS,
    )


def _known(answer: Any, otherwise: Any) -> Any:
    return otherwise if isinstance(answer, DroplessError) else answer


def _topics(endpoints: Endpoints, contract: Contract) -> dict[str, tuple[list[int], datetime]]:
    view = shared_view(endpoints)
    raw = [names.raw_topic(contract.name, source.name) for source in contract.sources]
    partitions = view.partitions([*raw, names.unified_topic(contract.name), names.dead_topic(contract.name)])
    ends, newest = view.ends(partitions), view.newest_of_topics(partitions)
    return {topic: (sorted(end for (of, _), end in ends.items() if of == topic), at) for topic, at in newest.items()}


def _tell_topic(tick: Tick, topic: str, ends: Sequence[int], newest: datetime) -> None:
    metadata = {
        "newest_record": dg.MetadataValue.timestamp(newest),
        "end_offset": dg.MetadataValue.int(sum(ends)),
    }
    event = dg.AssetMaterialization(keys.topic(topic), metadata=metadata)
    tick.tell(event, {"ends": ends}, repeat=False, pause=TOPIC_SECONDS)


def _arrived(endpoints: Endpoints, contract: Contract, place: _Place) -> tuple[Arrived | None, bool]:
    # The readers are asked first: what arrives afterwards can only make the table more complete.
    progress = Progress(endpoints)
    complete = all(_caught_up(progress, each) for each in readers(contract) if each.stage in (Stage.UNION, place.stage))
    return place.look(endpoints, contract.name), complete


def _tell_table(tick: Tick, contract: Contract, place: _Place, arrived: Arrived | None, *, complete: bool) -> None:
    if arrived is None or arrived.newest is None:
        return
    # A complete table is confirmed again and again; otherwise only new rows are news.
    facts = {"newest": arrived.newest, "rows": arrived.rows, "confirmed": _slot() if complete else None}
    metadata = _metadata(arrived, complete=complete)
    tick.tell(dg.AssetMaterialization(place.key(contract.name), metadata=metadata), facts, repeat=False)


def _judge_freshness(tick: Tick, contract: Contract, age: float | DroplessError | None) -> None:
    asset = keys.pinot_table(contract.name)
    check = dg.AssetCheckKey(asset, FRESH)
    if isinstance(age, DroplessError):
        tick.judge(check, Verdict(False, str(age)))
        return
    if age is None:
        tick.judge(check, Verdict(False, "No row and no heartbeat tells how fresh the table is.", risk=False))
        return
    window = [(at, each) for at, each in tick.memory.get(f"{contract.name}.ages", []) if tick.now - at < WINDOW_SECONDS]
    window.append((tick.now, age))
    tick.memory[f"{contract.name}.ages"] = window
    # Under transactions freshness is a sawtooth: only its lowest point over a while tells of a delay (pinot#17598).
    lowest = min(each for _, each in window)
    metadata = {
        "freshness_seconds": dg.MetadataValue.float(round(age, 3)),
        "lowest_freshness_seconds": dg.MetadataValue.float(round(lowest, 3)),
    }
    tick.tell(dg.AssetObservation(asset, metadata=metadata), {"at": tick.now}, pause=OBSERVE_SECONDS)
    limits = contract.freshness
    if lowest <= limits.warn or len(window) < LEAST_LOOKS:
        tick.judge(check, Verdict(True, PROMISE, metadata=metadata))
        return
    limit = limits.fail if lowest > limits.fail else limits.warn
    said = f"Answers may be {lowest:.0f} s behind the sources, at the best moment; the contract allows {limit} s."
    tick.judge(check, Verdict(False, said, lowest > limits.fail, metadata), {"limit": limit})


@dataclass(frozen=True)
class _Place:
    """Where rows arrive, and how to look."""

    stage: Stage
    key: Callable[[str], dg.AssetKey]
    look: Callable[[Endpoints, str], Arrived | None]


_PINOT = _Place(Stage.PINOT, keys.pinot_table, in_pinot)
_LAKE = _Place(Stage.LAKE, keys.lake_changes, in_lake)


def _caught_up(progress: Progress, reader: Reader) -> bool:
    lags = progress.lag(reader)
    return bool(lags) and not any(each.records for each in lags)


def _slot() -> int:
    return int(time.time() // CONFIRM_SECONDS)


def _metadata(arrived: Arrived, *, complete: bool) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(arrived.rows),
        "complete": dg.MetadataValue.bool(complete),
    }
    if arrived.newest:
        metadata["newest_commit"] = dg.MetadataValue.timestamp(arrived.newest)
        age = (datetime.now(UTC) - arrived.newest).total_seconds()
        metadata["newest_commit_age_seconds"] = dg.MetadataValue.float(round(age, 3))
    if arrived.by_source:
        rows = [(source, str(count)) for source, count in arrived.by_source.items()]
        metadata["rows_by_source"] = dg.MetadataValue.md(table(("source", "rows"), rows))
    return metadata
