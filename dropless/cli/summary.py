"""Where everything is, told at the end of `dropless up`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from dropless import names, pinot
from dropless.contract import load_contracts
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from resources.platform import LocalPlatform

TRY_NEXT = (
    ("dropless traffic --rate 50 --seconds 60", "play orders into all three shops"),
    (
        'dropless query "select _source, status, count(*) from orders where _deleted = false group by _source, status"',
        "ask Pinot",
    ),
    ("dropless lake pull orders -o orders.parquet", "fetch the table for pandas, Polars or DuckDB"),
)


@dataclass(frozen=True)
class Summary:
    """Addresses and first numbers; times in seconds."""

    dagster: str
    pinot_sql: str
    pinot_sqlalchemy: str
    s3: str
    bucket: str
    freshness_seconds: float | None
    rows: dict[str, dict[str, int]]
    resident_bytes: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The summary for machines."""
        return {"healthy": True} | vars(self)


def look(
    settings: Settings, endpoints: Endpoints, platform: LocalPlatform, freshness: float | None, seconds: float
) -> Summary:
    """Gather the summary from the running systems."""
    rows = {}
    for contract in load_contracts(settings.contracts):
        query = (
            f'select "_source", count(*) from "{contract.name}" where "_deleted" = false group by "_source" limit 1000'  # noqa: S608
        )
        rows[contract.name] = {str(source): int(count) for source, count in sorted(pinot.select(endpoints, query).rows)}
    broker = endpoints.pinot_broker.removeprefix("http://")
    return Summary(
        dagster=endpoints.dagster,
        pinot_sql=f"{endpoints.pinot_broker}/query/sql",
        pinot_sqlalchemy=f"pinot://{broker}/query/sql?controller={endpoints.pinot_controller}/",
        s3=endpoints.s3,
        bucket=names.LAKE_BUCKET,
        freshness_seconds=None if freshness is None else round(freshness, 3),
        rows=rows,
        resident_bytes=sum(each.resident_bytes for each in platform.status()),
        seconds=round(seconds, 1),
    )


def show(summary: Summary, console: Console) -> None:
    """Print it for a person."""
    memory = summary.resident_bytes / 2**30
    lines = {
        "Dagster": summary.dagster,
        "Pinot SQL": summary.pinot_sql,
        "SQLAlchemy": summary.pinot_sqlalchemy,
        "Lake (S3)": f"{summary.s3}, bucket {summary.bucket}",
        **{f"Rows of {table}": _counts(rows) for table, rows in summary.rows.items()},
        "Freshness": ""
        if summary.freshness_seconds is None
        else f"{summary.freshness_seconds:.1f} s from commit to query",
        "Memory": f"{memory:.1f} GiB",
    }
    width = max(map(len, lines))
    console.print(f"\n[bold green]Everything is up[/] after {summary.seconds:.0f} s.\n")
    for name, value in lines.items():
        if value:
            console.print(f"[bold]{escape(name.ljust(width))}[/]  {escape(value)}")
    console.print("\nTry next:")
    for command, what in TRY_NEXT:
        console.print(f"  [bold].venv/bin/{escape(command)}[/]  [dim]# {what}[/]")


def _counts(rows: dict[str, int]) -> str:
    return ", ".join(f"{source} {count:,}" for source, count in rows.items()) or "none yet"
