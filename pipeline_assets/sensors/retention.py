"""Whether the sources still keep every change that their connectors have yet to read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from dropless import names
from dropless.contract import Contract, Source
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.retention import ENOUGH_SECONDS, Oplog, Slot, gap, rate, seconds_left
from dropless.settings import Settings
from pipeline_assets import keys
from pipeline_assets.sensors.watching import PATIENCE_SECONDS, Tick, watch
from pipeline_assets.verdict import Verdict
from resources.connect_status import ConnectStatus
from resources.patience import ask_all
from resources.retention import oplog, replication_slot

CHECK = "changes_are_kept"
PROMISE = "The source keeps every change until the connector has read it, and none is missing."
OBSERVE_SECONDS = 300.0
HOW_TO_REPAIR = (
    "The changes in between cannot be read any more: have the table read anew (`dropless apply "
    "--allow-destructive`), reconcile, and then run the job `accept_gaps`."
)


def retention(contracts: Sequence[Contract]) -> dg.Definitions:
    """The sensor and its checks."""
    sources = [(contract, source) for contract in contracts for source in contract.sources]
    specs = [dg.AssetCheckSpec(CHECK, asset=_asset(*each), description=PROMISE) for each in sources]
    return watch(
        "retention",
        "Replication slots and oplogs: what they hold back, whether they are in danger, how long they would last, and "
        "whether changes are missing already.",
        specs,
        partial(_look, sources),
    )


def accepted_gaps(settings: Settings) -> Path:
    """Where it is noted, by connector, until when gaps are dealt with, in seconds since 1970."""
    return settings.watch / "accepted_gaps.json"


def _asset(contract: Contract, source: Source) -> dg.AssetKey:
    kind = "postgresql_source" if source.postgresql else "mongodb_source"
    return keys.provisioned(kind, names.connector(contract.name, source.name))


def _look(sources: Sequence[tuple[Contract, Source]], tick: Tick) -> None:
    endpoints = tick.installation.endpoints
    questions: dict[str, Callable[[], Any]] = {}
    for contract, source in sources:
        name = names.connector(contract.name, source.name)
        if source.postgresql:
            slot = names.slot(contract.name, source.name)
            questions[f"The slot of {name}"] = partial(replication_slot, endpoints, source.postgresql, slot)
        elif source.mongodb:
            questions[f"The oplog of {name}"] = partial(oplog, endpoints, source.mongodb)
    connectors = [names.connector(contract.name, source.name) for contract, source in sources if source.postgresql]
    questions["Kafka Connect"] = partial(_processed, endpoints, connectors)
    answers = ask_all(tick.name, questions, PATIENCE_SECONDS)
    told = answers.pop("Kafka Connect")
    processed: dict[str, int | None] = {} if isinstance(told, DroplessError) else told
    accepted = _accepted(accepted_gaps(tick.installation.settings))
    for (contract, source), answer in zip(sources, answers.values(), strict=True):
        name, asset = names.connector(contract.name, source.name), _asset(contract, source)
        check = dg.AssetCheckKey(asset, CHECK)
        if isinstance(answer, DroplessError):
            tick.judge(check, Verdict(False, str(answer)))
        elif isinstance(answer, Oplog):
            _judge_oplog(tick, check, answer)
        else:
            _judge_slot(tick, check, answer, processed.get(name), accepted.get(name, 0.0))


def _processed(endpoints: Endpoints, connectors: Sequence[str]) -> dict[str, int | None]:
    status = ConnectStatus(endpoints)
    return {name: status.processed_lsn(name) for name in connectors}


def _accepted(file: Path) -> dict[str, float]:
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def _judge_slot(tick: Tick, check: dg.AssetCheckKey, slot: Slot | None, processed: int | None, accepted: float) -> None:
    name = check.asset_key.path[-1]
    memory: dict[str, Any] = tick.memory.setdefault(name, {})
    if found := gap(slot, processed, seen_before="wal" in memory):
        # Told until it is dealt with: a slot made anew looks sound.
        memory.setdefault("gap", (tick.now, found))
    if memory.get("gap") and memory["gap"][0] < accepted:
        del memory["gap"]
    growth = rate(memory.get("wal"), tick.now, slot.written) if slot else 0.0
    if slot:
        memory["wal"] = (tick.now, slot.written)
    left = seconds_left(slot, growth) if slot else None
    metadata = _metadata(slot, growth, left) if slot else {}
    if slot:
        event = dg.AssetObservation(check.asset_key, metadata=metadata)
        tick.tell(event, {"retained": slot.retained}, pause=OBSERVE_SECONDS)
    if memory.get("gap"):
        verdict = Verdict(False, f"There is a gap: {memory['gap'][1]}. {HOW_TO_REPAIR}", metadata=metadata)
    elif slot is None:
        verdict = Verdict(False, f"There is no replication slot for {name}: its connector has not begun to read.")
    elif slot.wal_status == "unreserved":
        verdict = Verdict(False, "The slot will lose changes at the next checkpoint: read on now.", metadata=metadata)
    elif left is not None and left < ENOUGH_SECONDS:
        said = f"At the present rate the slot would lose changes in {left / 3600:.1f} h if its reader stopped."
        verdict = Verdict(False, said, left < ENOUGH_SECONDS / 12, metadata)
    elif not slot.active:
        said = f"Nobody reads from the slot; it holds back {slot.retained:,} bytes of WAL."
        verdict = Verdict(False, said, risk=False, metadata=metadata)
    else:
        verdict = Verdict(True, PROMISE, metadata=metadata)
    facts = {"status": slot.wal_status if slot else None, "active": slot.active if slot else None}
    tick.judge(check, verdict, facts | {"gap": memory.get("gap")})


def _metadata(slot: Slot, growth: float, left: float | None) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "retained_bytes": dg.MetadataValue.int(slot.retained),
        "wal_bytes_per_second": dg.MetadataValue.float(round(growth, 1)),
        "wal_status": dg.MetadataValue.text(slot.wal_status),
        "active": dg.MetadataValue.bool(slot.active),
    }
    if slot.safe is not None:
        metadata["safe_bytes"] = dg.MetadataValue.int(slot.safe)
    if left is not None:
        metadata["seconds_left"] = dg.MetadataValue.float(round(left, 1))
    return metadata


def _judge_oplog(tick: Tick, check: dg.AssetCheckKey, span: Oplog) -> None:
    seconds = span.newest - span.oldest
    metadata: dict[str, dg.MetadataValue] = {"oplog_seconds": dg.MetadataValue.float(round(seconds, 1))}
    tick.tell(dg.AssetObservation(check.asset_key, metadata=metadata), {"span": span}, pause=OBSERVE_SECONDS)
    memory: dict[str, Any] = tick.memory.setdefault(check.asset_key.to_user_string(), {"first": span.oldest})
    # Only an oplog that has begun to forget tells how long it remembers.
    forgets = span.oldest > memory["first"]
    if forgets and seconds < ENOUGH_SECONDS:
        said = f"The oplog holds {seconds / 3600:.1f} h only: a connector that is down for longer loses changes."
        tick.judge(check, Verdict(False, said, seconds < ENOUGH_SECONDS / 12, metadata), {"short": True})
    else:
        tick.judge(check, Verdict(True, PROMISE, metadata=metadata), {})
