"""Dagster's own history, kept short: events, runs and ticks of a year would fill the disk."""

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy.engine import Connection

# A sensor's events say again every half hour what stays as it is: a week of them is plenty.
EVENT_DAYS = 7
RUN_DAYS = 30
RUNS_AT_ONCE = 200
ROWS_AT_ONCE = 20_000


class HistoryConfig(dg.Config):
    """For how many days sensors' events and finished runs are kept."""

    event_days: int = EVENT_DAYS
    run_days: int = RUN_DAYS


@dg.op(pool="housekeeping")
def prune(context: dg.OpExecutionContext, config: HistoryConfig) -> None:
    """Delete old sensors' events, but the newest of each kind and asset; delete old finished runs; compact."""
    started = time.monotonic()
    runs = _prune_runs(context.instance, config.run_days)
    events = _prune_events(context.instance, config.event_days)
    freed = compact(context.instance)
    context.add_output_metadata(
        {
            "runs_deleted": runs,
            "events_deleted": events,
            "bytes_freed": freed,
            "seconds": round(time.monotonic() - started, 3),
        }
    )


def _prune_runs(instance: dg.DagsterInstance, days: int) -> int:
    before = datetime.now(UTC) - timedelta(days=days)
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    old = dg.RunsFilter(statuses=finished, updated_before=before)
    deleted = 0
    while found := instance.get_run_records(old, limit=RUNS_AT_ONCE):
        for record in found:
            instance.delete_run(record.dagster_run.run_id)
        deleted += len(found)
    return deleted


def _prune_events(instance: dg.DagsterInstance, days: int) -> int:
    """Delete events that no run wrote; Dagster has no call for it.

    Of every asset and kind of event the newest stays, since the UI and freshness policies show it.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
    events, tags, checks = SqlEventLogStorageTable, AssetEventTagsTable, AssetCheckExecutionsTable
    with storage.index_connection() as connection:
        newest = sa.select(sa.func.max(events.c.id)).group_by(events.c.asset_key, events.c.dagster_event_type)
        newest_check = sa.select(sa.func.max(checks.c.id)).group_by(checks.c.asset_key, checks.c.check_name)
        told = sa.select(checks.c.evaluation_event_storage_id).where(checks.c.id.in_(newest_check))
        old = (
            sa.select(events.c.id)
            .where(events.c.run_id == "", events.c.timestamp < before)
            .where(events.c.id.not_in(newest))
            .where(events.c.id.not_in(told.where(checks.c.evaluation_event_storage_id.is_not(None))))
        )
        return _delete(connection, old, tags, checks)


def _delete(connection: Connection, old: sa.Select[tuple[int]], tags: sa.Table, checks: sa.Table) -> int:
    deleted = 0
    # Short statements, so that sensors which write meanwhile never wait for long.
    while numbers := [row[0] for row in connection.execute(old.limit(ROWS_AT_ONCE))]:
        for first in range(0, len(numbers), 500):
            some = numbers[first : first + 500]
            connection.execute(sa.delete(tags).where(tags.c.event_id.in_(some)))
            connection.execute(sa.delete(checks).where(checks.c.evaluation_event_storage_id.in_(some)))
            connection.execute(sa.delete(SqlEventLogStorageTable).where(SqlEventLogStorageTable.c.id.in_(some)))
        deleted += len(numbers)
    return deleted


def compact(instance: dg.DagsterInstance) -> int:
    """Give the space of deleted rows back to the file system; where SQLite keeps the history, and only there."""
    import sqlite3  # noqa: PLC0415 - not there where PostgreSQL is the storage

    home = Path(instance.root_directory)
    files = [*home.glob("history/**/*.db"), *home.glob("schedules/*.db")]
    before = sum(each.stat().st_size for each in files)
    for file in files:
        with closing(sqlite3.connect(file, timeout=30)) as connection:
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    return before - sum(each.stat().st_size for each in files)


@dg.job(executor_def=dg.in_process_executor)
def prune_history() -> None:
    """Delete what Dagster remembers of sensors and runs and nobody looks at any more."""
    prune()


def nightly(status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """When the history is pruned."""
    return dg.ScheduleDefinition(
        name="prune_history_nightly", job=prune_history, cron_schedule="43 3 * * *", default_status=status
    )
