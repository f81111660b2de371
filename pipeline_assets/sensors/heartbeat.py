"""Green rests on evidence: heartbeats written to every source are seen in Kafka, in Pinot and in the lake."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import dagster as dg

from dropless import names
from dropless.contract import Contract, Source
from dropless.errors import DroplessError
from dropless.evidence import Passage, Stage, held_up_by
from dropless.readers import Reader, readers
from dropless.readers import Stage as Reads
from pipeline_assets import keys
from pipeline_assets.sensors.consumer_lag import written_by
from pipeline_assets.sensors.watching import Tick, watch
from pipeline_assets.verdict import Verdict
from resources.connect_status import ConnectorStatus, ConnectStatus
from resources.evidence import Flow, look
from resources.heartbeats import beat
from resources.patience import ask_all

TICK_SECONDS = 10
WRITE_SECONDS = 3.0
FLOW_SECONDS = 6.0
OBSERVE_SECONDS = 120.0
# PostgreSQL's heartbeats are written every five seconds, MongoDB's at every look.
LIMIT_SECONDS = 20.0
WORKS = "connector_works"
ARRIVES = "heartbeats_arrive"
HOW_TO_RESUME = "Somebody paused or stopped it, and so it stays; the job `resume_connectors` has it run on."
PROMISES = {
    WORKS: "The connector and its tasks run, and a heartbeat written to the source has just come out of it.",
    ARRIVES: "A heartbeat written to every source a moment ago, and so everything committed before it, is here.",
}


def heartbeat(contracts: Sequence[Contract]) -> dg.Definitions:
    """The sensor and its checks."""
    specs = [
        dg.AssetCheckSpec(WORKS, asset=_connector(contract, source), description=PROMISES[WORKS])
        for contract in contracts
        for source in contract.sources
    ] + [
        dg.AssetCheckSpec(ARRIVES, asset=written_by(reader), description=PROMISES[ARRIVES])
        for contract in contracts
        for reader in readers(contract)
    ]
    return watch(
        "heartbeat",
        "Follows heartbeats from every source through its connector and the union to Pinot and the lake, and says "
        "which stage holds them up: a connector that runs while nothing arrives is not healthy.",
        specs,
        partial(_look, contracts),
        seconds=TICK_SECONDS,
    )


def _connector(contract: Contract, source: Source) -> dg.AssetKey:
    return keys.provisioned("connector", names.connector(contract.name, source.name))


def _look(contracts: Sequence[Contract], tick: Tick) -> None:
    endpoints = tick.installation.endpoints
    written: dict[str, Any] = {"Kafka Connect": ConnectStatus(endpoints).all}
    for contract in contracts:
        for source in contract.sources:
            if source.mongodb:
                written[names.connector(contract.name, source.name)] = partial(beat, endpoints, source.mongodb)
    answers = ask_all(tick.name, written, WRITE_SECONDS)
    flows = ask_all(
        tick.name,
        {f"The flow of {each.name}": partial(look, endpoints, each, tick.now, tick.memory) for each in contracts},
        FLOW_SECONDS,
    )
    tick.now = time.time()
    # After a pause of this sensor, heartbeats are older than they would have been.
    grace = max(0.0, tick.now - tick.memory.get("at", tick.now) - TICK_SECONDS)
    tick.memory["at"] = tick.now
    for contract, flow in zip(contracts, flows.values(), strict=True):
        if isinstance(flow, DroplessError):
            for source in contract.sources:
                tick.judge(dg.AssetCheckKey(_connector(contract, source), WORKS), Verdict(False, str(flow)))
            for reader in readers(contract):
                tick.judge(dg.AssetCheckKey(written_by(reader), ARRIVES), Verdict(False, str(flow)))
        else:
            _judge(tick, contract, flow, answers, grace)


def _judge(tick: Tick, contract: Contract, flow: Flow, answers: Mapping[str, Any], grace: float) -> None:
    now = tick.now
    ways = {source.name: _way(tick, contract, source, flow, grace) for source in contract.sources}
    statuses = answers["Kafka Connect"]
    for source in contract.sources:
        name = names.connector(contract.name, source.name)
        verdict = _works(
            statuses, name, ways[source.name][0], flow.newest_raw.get(source.name), beaten=answers.get(name), now=now
        )
        tick.judge(dg.AssetCheckKey(_connector(contract, source), WORKS), verdict)
    paused = {source.name for source in contract.sources if _paused(statuses, contract, source)}
    positions = {Reads.UNION: 1, Reads.PINOT: 2, Reads.LAKE: 3}
    for reader in readers(contract):
        place = positions[reader.stage]
        # The lake does not come after Pinot but beside it.
        held = {
            source: held_up_by((*way[:2], *((way[place],) if place > 1 else ())), now) for source, way in ways.items()
        }
        ages = {source: now - passed for source, way in ways.items() if (passed := way[place].through) is not None}
        _arrives(tick, reader, held, ages, problem=flow.problems.get(reader.stage.value), paused=paused)


def _paused(statuses: Mapping[str, ConnectorStatus] | DroplessError, contract: Contract, source: Source) -> bool:
    if isinstance(statuses, DroplessError):
        return False
    status = statuses.get(names.connector(contract.name, source.name))
    return status is not None and status.held


def _way(tick: Tick, contract: Contract, source: Source, flow: Flow, grace: float) -> tuple[Stage, ...]:
    """The stages of one source's rows, with what passed them; remembers what is on its way."""
    state = tick.memory.setdefault(f"{contract.name}.{source.name}", {})
    passages = {stage: Passage.remembered(state.get(stage, {})) for stage in Reads}
    captured = flow.captured.get(source.name)
    if captured is not None:
        passages[Reads.UNION].arrived(captured, flow.raw_ends[source.name])
    passages[Reads.UNION].read(flow.united)
    united = passages[Reads.UNION].through
    for stage, read in ((Reads.PINOT, flow.shown), (Reads.LAKE, flow.kept)):
        if united is not None:
            passages[stage].arrived(united, flow.unified_ends)
        passages[stage].read(read)
    state |= {stage.value: passage.as_state() for stage, passage in passages.items()}
    limit = LIMIT_SECONDS + grace
    return (
        Stage(f"connector {names.connector(contract.name, source.name)}", captured, limit),
        Stage("the union", united, limit),
        Stage("Pinot", passages[Reads.PINOT].through, limit),
        Stage("the lake writer", passages[Reads.LAKE].through, limit + 3 * contract.lake.commit_seconds),
    )


def _works(
    statuses: Mapping[str, ConnectorStatus] | DroplessError,
    name: str,
    capture: Stage,
    newest_raw: float | None,
    *,
    beaten: DroplessError | None,
    now: float,
) -> Verdict:
    if isinstance(statuses, DroplessError):
        return Verdict(False, str(statuses))
    status = statuses.get(name)
    if status is None:
        return Verdict(False, f"There is no connector {name}: provision it.")
    metadata: dict[str, dg.MetadataValue] = {
        "state": dg.MetadataValue.text(status.said),
        "worker": dg.MetadataValue.text(status.worker),
    }
    if not status.running:
        reason = f": {status.trace}" if status.trace else "."
        if status.held:
            # On purpose, which is no failure but is not working either.
            reason = f". {HOW_TO_RESUME}"
        return Verdict(False, f"It is {status.said}{reason}", risk=not status.held, metadata=metadata)
    signs = [each for each in (capture.through, newest_raw) if each is not None]
    if capture.late(now) and now - max(signs, default=0.0) > capture.limit:
        since = f"for {now - max(signs):.0f} s" if signs else "ever"
        why = f" {beaten}" if isinstance(beaten, DroplessError) else ""
        return Verdict(
            False, f"It says {status.said}, but nothing has arrived from it {since}.{why}", metadata=metadata
        )
    if capture.through is not None:
        metadata["heartbeat_age_seconds"] = dg.MetadataValue.float(round(now - capture.through, 3))
    return Verdict(True, PROMISES[WORKS], metadata=metadata)


def _arrives(
    tick: Tick,
    reader: Reader,
    held: Mapping[str, Stage | None],
    ages: Mapping[str, float],
    *,
    problem: str | None,
    paused: Collection[str],
) -> None:
    asset = written_by(reader)
    late = {source: stage for source, stage in held.items() if stage}
    # The connector comes first on the way: of a source whose connector is paused, it alone is late.
    resting = {source for source in late if source in paused}
    metadata: dict[str, dg.MetadataValue] = {
        f"heartbeat_age_seconds_{source}": dg.MetadataValue.float(round(age, 3)) for source, age in ages.items()
    }
    if ages:
        worst = dg.MetadataValue.float(round(max(ages.values()), 3))
        observed = dg.AssetObservation(asset, metadata={"heartbeat_age_seconds": worst, **metadata})
        tick.tell(observed, {"at": tick.now}, pause=OBSERVE_SECONDS)
    check = dg.AssetCheckKey(asset, ARRIVES)
    if not late:
        tick.judge(check, Verdict(True, PROMISES[ARRIVES], metadata=metadata), {})
        return
    parts = [
        f"{source}: {stage.name} {'is paused by somebody' if source in resting else 'holds it up'}, "
        + (f"the newest that passed is {tick.now - stage.through:.0f} s old" if stage.through else "none has passed")
        for source, stage in late.items()
    ]
    description = f"Heartbeats are late. {'; '.join(parts)}.{f' {problem}' if problem else ''}"
    who = sorted((source, stage.name) for source, stage in late.items())
    # What somebody paused is told as long as it is paused, but puts nothing at risk.
    tick.judge(check, Verdict(False, description, len(resting) < len(late), metadata), {"held": who})
