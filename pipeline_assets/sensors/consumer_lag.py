"""How far the union, Pinot and the lake writer are behind, and whether they move."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import dagster as dg

from dropless import names
from dropless.contract import Contract
from dropless.errors import DroplessError
from dropless.hysteresis import Alarm
from dropless.lag import Lag, marked, seconds_behind, stalled, trend
from dropless.readers import Reader, Stage, readers
from pipeline_assets import keys
from pipeline_assets.presentation import table
from pipeline_assets.sensors.watching import PATIENCE_SECONDS, Tick, watch
from pipeline_assets.verdict import Verdict
from resources.patience import ask_all
from resources.progress import Progress

# Longer than the lake writer's pause between commits.
MOVE_SECONDS = 15.0
# Under traffic every tick's lag is another: told less often, the event log stays small.
OBSERVE_SECONDS = 60.0
SHOWN = 50
MOVING = "reader_keeps_moving"
TIMELY = "reader_keeps_up"
PROMISES = {
    MOVING: "Where there are records to read, the reader has moved since the last look.",
    TIMELY: "No record waits for the reader longer than the contract's freshness allows, two looks in a row.",
}
NAMES = {Stage.UNION: "The union", Stage.PINOT: "Pinot", Stage.LAKE: "The lake writer"}


def written_by(reader: Reader) -> dg.AssetKey:
    """The data that stands still when the reader does."""
    match reader.stage:
        case Stage.UNION:
            return keys.topic(names.unified_topic(reader.table))
        case Stage.PINOT:
            return keys.pinot_table(reader.table)
        case Stage.LAKE:
            return keys.lake_changes(reader.table)


def consumer_lag(contracts: Sequence[Contract]) -> dg.Definitions:
    """The sensor over all tables, and its checks."""
    watched = [(contract, reader) for contract in contracts for reader in readers(contract)]
    specs = [
        dg.AssetCheckSpec(name, asset=written_by(reader), description=promise)
        for _, reader in watched
        for name, promise in PROMISES.items()
    ]

    def look(tick: Tick) -> None:
        progress = Progress(tick.installation.endpoints)
        questions = {f"{NAMES[reader.stage]} of {reader.table}": partial(progress.lag, reader) for _, reader in watched}
        answers = ask_all(tick.name, questions, PATIENCE_SECONDS)
        for (contract, reader), lags in zip(watched, answers.values(), strict=True):
            if isinstance(lags, DroplessError):
                _unknown(tick, reader, str(lags))
            elif not lags:
                _unknown(tick, reader, f"There is no topic {' or '.join(reader.topics)}: provision the table.")
            else:
                _judge(tick, contract, reader, lags)

    return watch(
        "consumer_lag",
        "Each reader's lag per partition, in records and in seconds, and its trend; whether it moves, and whether it "
        "keeps up. Asks Kafka and Pinot how far the readers are; reads no record.",
        specs,
        look,
        again_after=MOVE_SECONDS,
    )


def _unknown(tick: Tick, reader: Reader, problem: str) -> None:
    for name in PROMISES:
        tick.judge(dg.AssetCheckKey(written_by(reader), name), Verdict(False, problem))


def _judge(tick: Tick, contract: Contract, reader: Reader, lags: list[Lag]) -> None:
    memory: dict[str, Any] = tick.memory.setdefault(f"{reader.table}.{reader.stage}", {})
    before = {(topic, number): position for topic, number, position in memory.get("positions", [])}
    stuck = stalled(lags, before)
    ages = _ages(memory, lags, tick.now)
    records, seconds = sum(each.records for each in lags), max(ages.values(), default=0.0)
    growth = trend(memory.get("total"), tick.now, records)
    limits = contract.freshness
    alarm = Alarm(**memory.get("alarm", {})).after(seconds, raise_above=limits.fail, clear_below=limits.warn)
    memory |= {
        "positions": [(each.topic, each.partition, each.position) for each in lags],
        "total": (tick.now, records),
        "alarm": {"raised": alarm.raised, "against": alarm.against},
    }
    metadata = _metadata(lags, ages, seconds, growth)
    asset = written_by(reader)
    observation = dg.AssetObservation(asset, metadata=metadata)
    tick.tell(observation, {"lags": lags}, pause=OBSERVE_SECONDS)
    tick.judge(dg.AssetCheckKey(asset, MOVING), _moving(reader, stuck, metadata), {"stuck": stuck})
    tick.judge(dg.AssetCheckKey(asset, TIMELY), _timely(reader, alarm, seconds, growth, metadata), {})


def _ages(memory: dict[str, Any], lags: Sequence[Lag], now: float) -> dict[tuple[str, int], float]:
    """Each partition's oldest waiting record in seconds; remembers what the next look needs."""
    old = memory.get("marks", {})
    ages, marks = {}, {}
    for each in lags:
        name = f"{each.topic}/{each.partition}"
        known = marked([(at, end) for at, end in old.get(name, [])], each, now)
        ages[each.topic, each.partition] = seconds_behind(known, each, now)
        marks[name] = known
    memory["marks"] = marks
    return ages


def _moving(reader: Reader, stuck: Sequence[Lag], metadata: dict[str, dg.MetadataValue]) -> Verdict:
    if not stuck:
        return Verdict(True, PROMISES[MOVING])
    where = ", ".join(f"{each.topic}[{each.partition}] at {each.position}" for each in stuck[:5])
    description = f"{NAMES[reader.stage]} has records to read and does not move: {where}"
    return Verdict(False, description, metadata=metadata)


def _timely(
    reader: Reader, alarm: Alarm, seconds: float, growth: float, metadata: dict[str, dg.MetadataValue]
) -> Verdict:
    if not alarm.raised:
        return Verdict(True, PROMISES[TIMELY])
    direction = "growing" if growth > 0 else "shrinking" if growth < 0 else "neither growing nor shrinking"
    description = f"{NAMES[reader.stage]} is {seconds:.0f} s behind, and its lag is {direction}."
    return Verdict(False, description, metadata=metadata)


def _metadata(
    lags: Sequence[Lag], ages: dict[tuple[str, int], float], seconds: float, growth: float
) -> dict[str, dg.MetadataValue]:
    worst = sorted(lags, key=lambda each: (-each.records, each.topic, each.partition))[:SHOWN]
    rows = [
        (
            *(each.topic, str(each.partition), str(each.position), str(each.end), str(each.records)),
            f"{ages[each.topic, each.partition]:.0f}",
        )
        for each in worst
    ]
    head = ("topic", "partition", "position", "end", "lag in records", "lag in seconds")
    return {
        "lag_records": dg.MetadataValue.int(sum(each.records for each in lags)),
        "lag_seconds": dg.MetadataValue.float(round(seconds, 1)),
        "lag_growth_records_per_second": dg.MetadataValue.float(round(growth, 2)),
        "lag_by_partition": dg.MetadataValue.md(table(head, rows)),
    }
