"""Whether every system answers, and whether its processes stay up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg

from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, NotReady
from dropless.processes import OwnProcess, own_processes
from pipeline_assets import keys
from pipeline_assets.platform import SYSTEMS
from pipeline_assets.presentation import table
from pipeline_assets.sensors.watching import PATIENCE_SECONDS, Tick, watch
from pipeline_assets.verdict import Verdict
from resources.clients import own_status
from resources.health import Health, probe
from resources.patience import ask_all
from resources.platform import LocalPlatform, ProcessStatus

ANSWERS = "answers"
STAYS = "processes_stay_up"
PROMISES = {
    ANSWERS: "Its real interface answers, on all of its nodes.",
    STAYS: "All of its processes run, and none has been restarted again and again.",
}
# So many restarts within so many seconds are no accident.
RESTARTS = 3
WINDOW_SECONDS = 900.0
OBSERVE_SECONDS = 300.0


@dataclass(frozen=True)
class Part:
    """An asset and what it consists of: a system, and the table where it is one of our processes."""

    asset: dg.AssetKey
    system: str
    table: str | None = None

    @property
    def question(self) -> str:
        """What its answer is filed under."""
        return f"The {self.system} of {self.table}" if self.table else self.system


def processes(contracts: Sequence[Contract]) -> dg.Definitions:
    """The sensor and its checks."""
    parts = [Part(keys.system(system.name), system.name) for system in SYSTEMS]
    here = not Endpoints.elsewhere()
    for contract in contracts if here else ():
        parts.append(Part(keys.union_worker(contract.name), "union", contract.name))
        parts.append(Part(keys.lake_writer(contract.name), "lake_writer", contract.name))
    specs = [
        dg.AssetCheckSpec(name, asset=part.asset, description=promise)
        for part in parts
        for name, promise in PROMISES.items()
        # Elsewhere whoever runs the processes keeps them up.
        if here or name == ANSWERS
    ]
    return watch(
        "processes",
        "Asks every system at its own interface whether it works, and watches memory and restarts of every process.",
        specs,
        partial(_look, contracts, parts) if here else partial(_ask, parts),
    )


def _ask(parts: Sequence[Part], tick: Tick) -> None:
    """Ask systems that run elsewhere."""
    questions = {part.question: partial(_probed, tick.installation.endpoints, part.system) for part in parts}
    answers = ask_all(tick.name, questions, PATIENCE_SECONDS)
    for part in parts:
        tick.judge(dg.AssetCheckKey(part.asset, ANSWERS), _told(answers[part.question]))


def _told(answer: str | DroplessError) -> Verdict:
    return Verdict(False, str(answer)) if isinstance(answer, DroplessError) else Verdict(True, PROMISES[ANSWERS])


def _probed(endpoints: Endpoints, system: str) -> str:
    return _healthy(probe(system, endpoints))


def _look(contracts: Sequence[Contract], parts: Sequence[Part], tick: Tick) -> None:
    settings = tick.installation.settings
    platform = LocalPlatform(settings)
    own = own_processes(contracts, settings)
    questions: dict[str, Callable[[], Any]] = {"supervisord": platform.status}
    for part in parts:
        ours = [each for each in own if each.table == part.table and each.kind == part.system]
        questions[part.question] = partial(_own, ours) if part.table else partial(_system, platform, part.system)
    answers = ask_all(tick.name, questions, PATIENCE_SECONDS)
    statuses = answers.pop("supervisord")
    for part in parts:
        tick.judge(dg.AssetCheckKey(part.asset, ANSWERS), _told(answers[part.question]))
        check = dg.AssetCheckKey(part.asset, STAYS)
        if isinstance(statuses, DroplessError):
            tick.judge(check, Verdict(False, str(statuses)))
            continue
        names = {each.name for each in own if each.table == part.table}
        mine = [each for each in statuses if each.system == part.system and (not part.table or each.name in names)]
        _judge(tick, check, mine)


def _system(platform: LocalPlatform, system: str) -> str:
    return _healthy(platform.health(system))


def _healthy(found: Health) -> str:
    if not found.healthy:
        raise NotReady(f"{found.system.replace('_', ' ')}: {found.detail}.")
    return found.detail


def _own(ours: Sequence[OwnProcess]) -> str:
    for each in ours:
        status: Mapping[str, Any] = own_status(each)
        if status["state"] != "running":
            raise NotReady(f"Process {each.name} is {status['state']}. {status.get('detail', '')}".rstrip())
    return "running"


def _judge(tick: Tick, check: dg.AssetCheckKey, mine: Sequence[ProcessStatus]) -> None:
    restarts = {each.name: _restarts(tick, each) for each in mine}
    down = [f"{each.name} is {each.state}" for each in mine if each.state != "RUNNING"]
    shaky = [f"{name} was restarted {count} times" for name, count in restarts.items() if count >= RESTARTS]
    rows = [
        (each.name, each.state, str(restarts[each.name]), f"{each.resident_bytes / 2**20:.0f} MiB", each.log_file)
        for each in mine
    ]
    metadata: dict[str, dg.MetadataValue] = {
        "resident_bytes": dg.MetadataValue.int(sum(each.resident_bytes for each in mine)),
        "restarts": dg.MetadataValue.int(sum(restarts.values())),
        "processes": dg.MetadataValue.md(table(("process", "state", "restarts", "memory", "log"), rows)),
    }
    event = dg.AssetObservation(check.asset_key, metadata=metadata)
    tick.tell(event, {"restarts": restarts, "down": down}, pause=OBSERVE_SECONDS)
    if down:
        tick.judge(check, Verdict(False, f"{'; '.join(down)}.", metadata=metadata), {"down": down})
    elif shaky:
        said = f"{'; '.join(shaky)} within {WINDOW_SECONDS / 60:.0f} minutes: see its log."
        tick.judge(check, Verdict(False, said, risk=False, metadata=metadata), {"shaky": sorted(restarts)})
    else:
        tick.judge(check, Verdict(True, PROMISES[STAYS], metadata=metadata), {})


def _restarts(tick: Tick, status: ProcessStatus) -> int:
    """How often a process was started anew within the window."""
    memory: dict[str, Any] = tick.memory.setdefault(status.name, {"started": status.started, "times": []})
    if status.started and status.started != memory["started"]:
        memory["times"] = [*memory["times"], tick.now]
        memory["started"] = status.started
    memory["times"] = [at for at in memory["times"] if tick.now - at < WINDOW_SECONDS]
    return len(memory["times"])
