"""How far the union, Pinot and the lake writer are behind, and whether they move."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from dropless import names
from dropless.contract import Contract
from dropless.errors import DroplessError
from dropless.lag import Lag, Position, stalled
from dropless.readers import Reader, Stage, readers
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.presentation import table
from pipeline_assets.sensors.reports import Reports
from pipeline_assets.verdict import Verdict
from resources.progress import Progress
from resources.waiting import until

TICK_SECONDS = 30
# Longer than the lake writer's pause between commits.
MOVE_SECONDS = 20.0
CHECK = "reader_keeps_moving"
PROMISE = "Where there are records to read, the reader has moved since the last look."
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
    """The sensor over all tables, and its checks for whoever wants to look now."""
    by_key = {written_by(reader): reader for contract in contracts for reader in readers(contract)}

    @dg.sensor(
        name="consumer_lag", minimum_interval_seconds=TICK_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING
    )
    def sensor(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult:
        """Each reader's lag in records, per partition, as an observation; and whether it moves, as a check.

        Asks Kafka and Pinot how far the readers are; reads no record.
        """
        reports = Reports(context.cursor)
        progress = Progress(installation.endpoints)
        try:
            progress.check()
        except DroplessError as error:
            for key, reader in by_key.items():
                _report_problem(reports, dg.AssetCheckKey(key, CHECK), reader, str(error))
            return reports.result()
        for key, reader in by_key.items():
            _look(reports, progress, dg.AssetCheckKey(key, CHECK), reader)
        return reports.result()

    specs = [dg.AssetCheckSpec(CHECK, asset=key, description=PROMISE) for key in by_key]

    @dg.multi_asset_check(name="readers_keep_moving", specs=specs, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, installation: Installation) -> Iterator[dg.AssetCheckResult]:
        progress = Progress(installation.endpoints)
        for check in sorted(context.selected_asset_check_keys):
            reader = by_key[check.asset_key]
            yield _verdict(reader, *_stuck_for_a_while(progress, reader)).result(check)

    return dg.Definitions(sensors=[sensor], asset_checks=[checks] if specs else [])


def _look(reports: Reports, progress: Progress, check: dg.AssetCheckKey, reader: Reader) -> None:
    try:
        lags = progress.lag(reader)
    except DroplessError as error:
        _report_problem(reports, check, reader, str(error))
        return
    if not lags:
        _report_problem(reports, check, reader, f"There is no topic {' or '.join(reader.topics)}: provision the table.")
        return
    memory = f"{reader.table}.{reader.stage}"
    stuck = stalled(lags, _positions(reports.memory.get(memory, [])))
    reports.memory[memory] = [(each.topic, each.partition, each.position) for each in lags]
    reports.add(dg.AssetObservation(check.asset_key, metadata=_metadata(lags)), {"lags": lags})
    reports.add(_verdict(reader, stuck, None).evaluation(check), {"stuck": stuck})


def _report_problem(reports: Reports, check: dg.AssetCheckKey, reader: Reader, problem: str) -> None:
    reports.add(_verdict(reader, [], problem).evaluation(check), {"problem": problem})


def _stuck_for_a_while(progress: Progress, reader: Reader) -> tuple[list[Lag], str | None]:
    stuck: list[Lag] = []
    try:
        before = {(each.topic, each.partition): each.position for each in progress.lag(reader)}

        def still() -> str | None:
            stuck[:] = stalled(progress.lag(reader), before)
            return "it does not move." if stuck else None

        until(NAMES[reader.stage], still, MOVE_SECONDS)
    except DroplessError as error:
        return stuck, None if stuck else str(error)
    return [], None


def _positions(remembered: Sequence[tuple[str, int, int]]) -> Mapping[Position, int]:
    return {(topic, number): position for topic, number, position in remembered}


def _metadata(lags: Sequence[Lag]) -> dict[str, dg.MetadataValue]:
    rows = [(each.topic, str(each.partition), str(each.position), str(each.end), str(each.records)) for each in lags]
    return {
        "lag_records": dg.MetadataValue.int(sum(each.records for each in lags)),
        "lag_by_partition": dg.MetadataValue.md(table(("topic", "partition", "position", "end", "lag"), rows)),
    }


def _verdict(reader: Reader, stuck: Sequence[Lag], problem: str | None) -> Verdict:
    if problem:
        return Verdict(False, problem)
    if not stuck:
        return Verdict(True, PROMISE)
    where = ", ".join(f"{each.topic}[{each.partition}] at {each.position}" for each in stuck[:5])
    description = f"{NAMES[reader.stage]} has records to read and does not move: {where}"
    return Verdict(False, description, metadata=_metadata(stuck))
