"""What has arrived where: rows and the newest source commit among them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from dropless import names, pinot
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake.store import Store

QUERY_SECONDS = 4


@dataclass(frozen=True)
class Arrived:
    """Rows that can be read at a place; `newest` is their newest source commit, None without rows."""

    rows: int
    newest: datetime | None
    by_source: dict[str, int]


def in_pinot(endpoints: Endpoints, table: str) -> Arrived:
    """The rows that a query sees, deleted ones left out; `newest` counts them, too.

    Raises:
        Unreachable: Pinot does not answer.
        DroplessError: Pinot does not have the table.
    """
    # A table's name is lower-case letters, digits and underscores.
    newest = pinot.select(endpoints, f'select max("_committed_at") from "{table}"', QUERY_SECONDS).value()  # noqa: S608
    counted = pinot.select(
        endpoints,
        f'select "_source", count(*) from "{table}" where "_deleted" = false group by "_source" '  # noqa: S608
        f"limit {pinot.UNLIMITED}",
        QUERY_SECONDS,
    )
    by_source = {source: int(count) for source, count in sorted(counted.rows)}
    # Without rows Pinot's maximum is negative infinity.
    moment = datetime.fromtimestamp(newest / 1000, UTC) if isinstance(newest, int | float) and newest > 0 else None
    return Arrived(sum(by_source.values()), moment, by_source)


def in_lake(endpoints: Endpoints, table: str) -> Arrived | None:
    """The changes in the lake, from the Delta log's own statistics; None before the first commit.

    Raises:
        DroplessError: the object storage does not answer.
    """
    # Heavy, and not needed by whoever looks at Pinot alone.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415
    from deltalake import DeltaTable  # noqa: PLC0415
    from deltalake.exceptions import TableNotFoundError  # noqa: PLC0415

    store = Store.pipeline(endpoints)
    try:
        lake = DeltaTable(store.uri(names.changes_table(table)), storage_options=store.delta_options())
        files = pa.table(lake.get_add_actions(flatten=True))
    except TableNotFoundError:
        return None
    except OSError as error:
        raise DroplessError(f"The lake does not answer at {endpoints.s3}: {error}.") from error
    if not files.num_rows:
        return Arrived(0, None, {})
    return Arrived(pc.sum(files["num_records"]).as_py() or 0, pc.max(files["max._committed_at"]).as_py(), {})
