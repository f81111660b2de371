"""One kind of look at the running system: by a sensor again and again, and by a run when somebody wants it now."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from pipeline_assets.installation import Installation
from pipeline_assets.sensors.reports import Event, Reports
from pipeline_assets.verdict import Verdict

TICK_SECONDS = 30
# A tick dies after 60 seconds; within this every system has answered or is reported as silent.
PATIENCE_SECONDS = 8.0


@dataclass
class Tick:
    """One look: what it may use, and what it found. `memory` lasts from tick to tick, and is empty in a run."""

    name: str
    installation: Installation
    memory: dict[str, Any]
    now: float = field(default_factory=time.time)
    verdicts: dict[dg.AssetCheckKey, Verdict] = field(default_factory=dict)
    told: list[tuple[Event, Mapping[str, Any], bool, float]] = field(default_factory=list)
    # What Dagster knows, and the runs to ask for: a run looks without either.
    instance: dg.DagsterInstance | None = None
    checks: Sequence[dg.AssetCheckKey] = ()
    runs: list[dg.RunRequest] = field(default_factory=list)

    def judge(self, check: dg.AssetCheckKey, verdict: Verdict, facts: Mapping[str, Any] | None = None) -> None:
        """A check's outcome; `facts` are what makes it news beside whether it passed, its description else."""
        self.verdicts[check] = verdict
        news = {"passed": verdict.passed, "facts": facts if facts is not None else verdict.description}
        self.told.append((verdict.evaluation(check), news, True, 0.0))

    def tell(self, event: Event, facts: Mapping[str, Any], *, repeat: bool = True, pause: float = 0.0) -> None:
        """An observation or materialisation, if its facts are news."""
        self.told.append((event, facts, repeat, pause))


Look = Callable[[Tick], None]

installation: Callable[[], Installation] = Installation
"""What sensors look at; tests let them look elsewhere."""
_lock = threading.Lock()
_opened: list[tuple[object, dg.DagsterInstance]] = []


def instance_of(context: dg.SensorEvaluationContext) -> dg.DagsterInstance:
    """The context's instance, opened once for all ticks.

    Dagster would open it for every tick of every sensor, and read the scripts of its storages' migrations each time:
    more than half of what an idle code server does.
    """
    reference = context.instance_ref
    if reference is None:
        return context.instance
    with _lock:
        if not _opened or _opened[0][0] != reference:
            _opened[:] = [(reference, dg.DagsterInstance.from_ref(reference))]
        return _opened[0][1]


def watch(
    name: str,
    description: str,
    specs: Sequence[dg.AssetCheckSpec],
    look: Look,
    *,
    seconds: int = TICK_SECONDS,
    again_after: float = 0,
    job: dg.JobDefinition | UnresolvedAssetJobDefinition | None = None,
) -> dg.Definitions:
    """A sensor that looks every few seconds, and the same look as checks that a person can run.

    Args:
        name: the sensor's; the checks' step is `look_at_<name>`.
        description: what the UI says of both.
        specs: the checks that `look` judges.
        look: asks and reports; it must end within `PATIENCE_SECONDS` and a little more, whatever is down.
        seconds: between two looks.
        again_after: seconds after which a run looks once more, where one look alone cannot tell.
        job: what the sensor may ask to be run.
    """

    @dg.sensor(
        name=name,
        description=description,
        job=job,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        # Not as a resource: for the sake of resources Dagster would open its storages.
        here = installation()
        reports = Reports(here.settings.watch / f"{name}.json")
        graph = context.repository_def.asset_graph if context.repository_def else None
        known = sorted(graph.asset_check_keys) if graph else []
        instance = instance_of(context)
        tick = Tick(name, here, reports.memory, instance=instance, checks=known)
        look(tick)
        made = made_by_runs(instance, {check.asset_key for check in tick.verdicts})
        for event, facts, repeat, pause in tick.told:
            since = made.get(event.asset_key, 0.0) if isinstance(event, dg.AssetCheckEvaluation) else 0.0
            reports.add(event, facts, repeat=repeat, pause=pause, since=since)
        return reports.result(tick.runs)

    @dg.multi_asset_check(name=f"look_at_{name}", description=description, specs=list(specs), can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, installation: Installation) -> Iterator[dg.AssetCheckResult]:
        tick = Tick(f"{name} now", installation, {})
        look(tick)
        if again_after:
            time.sleep(again_after)
            tick = Tick(tick.name, installation, tick.memory)
            look(tick)
        for check in sorted(context.selected_asset_check_keys):
            yield tick.verdicts[check].result(check)

    return dg.Definitions(sensors=[sensor], asset_checks=[checks] if specs else [])


def made_by_runs(instance: dg.DagsterInstance, assets: Collection[dg.AssetKey]) -> dict[dg.AssetKey, float]:
    """When a run last materialised each asset, in seconds since 1970.

    The UI calls a check that is older than that "not evaluated", though nothing has changed.
    """
    found = {}
    for record in instance.get_asset_records(sorted(assets)) if assets else ():
        newest = record.asset_entry.last_materialization_record
        if newest is not None and newest.run_id:
            found[record.asset_entry.asset_key] = newest.timestamp
    return found
