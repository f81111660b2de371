"""Whether what runs is what is declared, and the repair of what can safely be repaired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import dagster as dg

from dropless.attempts import Ailment, Requests
from dropless.contract import Contract
from dropless.errors import DroplessError
from dropless.plan import Change, Plan, Resource
from pipeline_assets import keys
from pipeline_assets.provisioned import DRIFT, drift_verdict
from pipeline_assets.repairs import repair, repairs
from pipeline_assets.sensors.watching import PATIENCE_SECONDS, Tick, watch
from pipeline_assets.verdict import Verdict
from resources.patience import ask_all
from resources.repair import Repairs

HELP = "repairs_help"
PROMISE = "Nothing ails that was repaired again and again without success."
WATCH = keys.system("watch")
DRIFTED = "reapply_drifted"
CHANGING = ("provision", "repair", "__ASSET_JOB")
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def drift(_: Sequence[Contract]) -> dg.Definitions:
    """The sensor, the asset on which the watch reports of itself, and its check."""
    spec = dg.AssetSpec(
        WATCH,
        description="The watch itself: its sensors look every few seconds, its repairs mend what can be mended "
        "without a person, and its alerts say what cannot.",
        group_name=keys.PLATFORM_GROUP,
        kinds={"dagster"},
    )
    watched = watch(
        "drift_and_repair",
        "Compares everything but processes with what is declared, property by property, and asks for the job `repair` "
        "when something new ails that can safely be repaired (unless DROPLESS_REPAIRS is off).",
        [dg.AssetCheckSpec(HELP, asset=WATCH, description=PROMISE)],
        _look,
        job=repair,
    )
    return dg.Definitions.merge(dg.Definitions(assets=[spec]), watched)


def _look(tick: Tick) -> None:
    if _busy(tick):
        # What is being changed is neither drift nor an ailment, yet.
        tick.judge(dg.AssetCheckKey(WATCH, HELP), Verdict(True, PROMISE), {})
        return
    known = repairs(tick.installation)
    questions: dict[str, Callable[[], Any]] = {each.name: each.find for each in known.kinds if each.name != DRIFTED}
    declared = known.declared
    for kind, resources in declared.items():
        questions[f"{kind}s"] = partial(_drift, known, kind, resources)
    answers = ask_all(tick.name, questions, PATIENCE_SECONDS)
    ailments: list[Ailment] = []
    for kind, resources in declared.items():
        answer = answers.pop(f"{kind}s")
        _report(tick, resources, answer)
        if not isinstance(answer, DroplessError):
            ailments += [Ailment(f"drift:{each.desired.id}", each.desired.id) for each in answer[1]]
    for found in answers.values():
        # Who does not answer is told by the other sensors.
        ailments += [] if isinstance(found, DroplessError) else found
    _request(tick, ailments)


def _busy(tick: Tick) -> bool:
    if tick.instance is None:
        return False
    return any(tick.instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED, job_name=name)) for name in CHANGING)


def _drift(known: Repairs, kind: str, resources: Sequence[Resource]) -> tuple[Plan, list[Change]]:
    plan = known.drift(kind, resources)
    return plan, [change for change in plan.changes if known.safe(change)]


def _report(tick: Tick, resources: Sequence[Resource], answer: tuple[Plan, list[Change]] | DroplessError) -> None:
    for asset in dict.fromkeys(keys.of(resource) for resource in resources):
        check = dg.AssetCheckKey(asset, DRIFT)
        if isinstance(answer, DroplessError):
            tick.judge(check, Verdict(False, str(answer), risk=False))
            continue
        plan = Plan(tuple(change for change in answer[0].changes if keys.of(change.desired) == asset))
        tick.judge(check, drift_verdict(plan), {"plan": plan.as_json()})


def _request(tick: Tick, ailments: Sequence[Ailment]) -> None:
    check = dg.AssetCheckKey(WATCH, HELP)
    if not tick.installation.settings.repairs:
        # What nobody tried to repair has not been tried in vain, once repairs are switched on.
        tick.memory.pop("requests", None)
        tick.judge(check, Verdict(True, "Repairs are switched off: people are told, and nothing is tried."))
        return
    requests = Requests(tick.memory.get("requests", {}))
    key = requests.look(ailments, tick.now)
    tick.memory["requests"] = requests.as_state()
    if key:
        tick.runs.append(
            dg.RunRequest(run_key=key, tags={"dropless/reason": ", ".join(sorted(e.id for e in ailments))[:250]})
        )
    left = [each for each in ailments if each.id in requests.given_up]
    if left:
        said = f"Repaired again and again without success, and now left to you: {'; '.join(e.detail for e in left)}."
        tick.judge(check, Verdict(False, said))
    else:
        tick.judge(check, Verdict(True, PROMISE), {})
