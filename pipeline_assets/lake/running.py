"""What every run over the lake shares: its tag, its pool, and what is said when the lake does not answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import dagster as dg

from dropless.errors import DroplessError
from dropless.lake import damage
from dropless.lake.maintenance import Statistics
from pipeline_assets.presentation import table

TAG: Final = {"dropless/made_by": "lake"}
"""On every asset that such runs make: provisioning leaves them alone."""


def pool(name: str) -> str:
    """Runs over one table's part of the lake never overlap; if they do, the tables fence them."""
    return f"lake_{name}"


@contextlib.contextmanager
def failing_in_a_sentence() -> Iterator[None]:
    """Raise what goes wrong as Dagster's failure.

    Raises:
        dagster.Failure: with a sentence.
    """
    try:
        with damage.sentences():
            yield
    except DroplessError as error:
        raise dg.Failure(str(error), allow_retries=isinstance(error, damage.Unanswered)) from error


def statistics_metadata(found: Sequence[Statistics]) -> dict[str, dg.MetadataValue]:
    """Tables' sizes for the UI: as a table, and as numbers that it plots over time."""
    head = ("table", "version", "rows", "files", "bytes", "small files", "log entries")
    rows = [
        (
            each.table,
            *(f"{n:,}" for n in (each.version, each.rows, each.files, each.bytes, each.small_files, each.log_entries)),
        )
        for each in found
    ]
    return {
        "tables": dg.MetadataValue.md(table(head, rows)),
        "files": dg.MetadataValue.int(sum(each.files for each in found)),
        "bytes": dg.MetadataValue.int(sum(each.bytes for each in found)),
        "small_files": dg.MetadataValue.int(sum(each.small_files for each in found)),
        "versions": dg.MetadataValue.int(sum(each.version + 1 for each in found)),
        "log_entries": dg.MetadataValue.int(sum(each.log_entries for each in found)),
    }
