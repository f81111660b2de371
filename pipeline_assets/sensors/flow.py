"""Signs of life of the data that flows by itself."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from dropless import names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.readers import Reader, Stage, readers
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.presentation import table
from pipeline_assets.sensors.reports import Reports
from resources.cluster import ClusterView
from resources.flow import Arrived, in_lake, in_pinot
from resources.progress import Progress

TICK_SECONDS = 30
# Well inside the shortest window that a freshness policy can have.
CONFIRM_SECONDS = 25
# Under traffic every tick has news of every topic: the event log would grow by gigabytes a year.
TOPIC_SECONDS = 300


def flow(contracts: Sequence[Contract]) -> dg.SensorDefinition:
    """The sensor over all tables."""

    @dg.sensor(name="flow", minimum_interval_seconds=TICK_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
    def sensor(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult:
        """Reports topics, Pinot tables and lake tables as materialised when new rows arrived in them.

        A Pinot or lake table that has everything its sources have is reported as well, since it is
        fresh even when nothing happens; one that stands still while rows wait is not, and grows stale.
        """
        reports = Reports(context.cursor)
        view, progress = ClusterView(installation.endpoints), Progress(installation.endpoints)
        try:
            for contract in contracts:
                _topics(reports, view, contract)
        except DroplessError as error:
            # No sign of life is the report; the other sensors say what does not answer.
            context.log.warning(str(error))
            return reports.result()
        for contract in contracts:
            for place in (_PINOT, _LAKE):
                try:
                    _table(reports, progress, installation.endpoints, contract, place)
                except DroplessError as error:
                    context.log.warning(str(error))
        return reports.result()

    return sensor


def _topics(reports: Reports, view: ClusterView, contract: Contract) -> None:
    raw = [names.raw_topic(contract.name, source.name) for source in contract.sources]
    for topic in (*raw, names.unified_topic(contract.name), names.dead_topic(contract.name)):
        partitions = view.partitions([topic])
        ends = view.ends(partitions)
        newest = view.newest(partitions)
        if newest is None:
            continue
        metadata = {
            "newest_record": dg.MetadataValue.timestamp(newest),
            "end_offset": dg.MetadataValue.int(sum(ends.values())),
        }
        facts = {"ends": sorted(ends.values())}
        event = dg.AssetMaterialization(keys.topic(topic), metadata=metadata)
        reports.add(event, facts, repeat=False, pause=TOPIC_SECONDS)


def _table(reports: Reports, progress: Progress, endpoints: Endpoints, contract: Contract, place: "_Place") -> None:
    # The readers are asked first: what arrives afterwards can only make the table more complete.
    complete = all(_caught_up(progress, each) for each in readers(contract) if each.stage in (Stage.UNION, place.stage))
    arrived = place.look(endpoints, contract.name)
    if arrived is None or arrived.newest is None:
        return
    # A complete table is confirmed again and again; otherwise only new rows are news.
    facts = {"newest": arrived.newest, "rows": arrived.rows, "confirmed": _slot() if complete else None}
    metadata = _metadata(arrived, complete=complete)
    reports.add(dg.AssetMaterialization(place.key(contract.name), metadata=metadata), facts, repeat=False)


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
