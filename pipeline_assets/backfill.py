"""Rows of the sources read again, as a job."""

import time

import dagster as dg

from dropless.declared import declared
from dropless.errors import DroplessError
from pipeline_assets.installation import Installation
from resources.backfill import Step
from resources.backfills import Backfills, chosen

LOG_SECONDS = 10.0
# Far more than the hour that other runs have: with a rate, a large table takes days.
MAX_RUNTIME_SECONDS = 14 * 24 * 3600


class BackfillConfig(dg.Config):
    """Which rows are read again: of a table, all of its sources or some, all rows or those of a condition or of keys.

    The condition is SQL, or a MongoDB query as JSON. The rate is in rows a second of each source; 0 is no limit.
    """

    table: str
    sources: list[str] = []  # noqa: RUF012 - pydantic copies it
    where: str = ""
    keys: list[str] = []  # noqa: RUF012
    rate: float = 0.0


@dg.op(pool="backfill")
def refill(context: dg.OpExecutionContext, installation: Installation, config: BackfillConfig) -> None:
    """Have rows read again, slice by slice, as new versions of the same content, while changes flow."""
    settings = installation.settings
    said: dict[str, float] = {}

    def tell(step: Step) -> None:
        if step.note.ends or time.monotonic() - said.get(step.source, -LOG_SECONDS) >= LOG_SECONDS:
            said[step.source] = time.monotonic()
            context.log.info("%s: %s, %s of %s rows", step.source, step.note.value, f"{step.done:,}", f"{step.rows:,}")

    begun = time.monotonic()
    try:
        contract = declared(settings, config.table)
        sources = chosen(contract, config.sources)
        backfills = Backfills(installation.endpoints, contract, sources, settings.backfills, tell)
        steps = backfills.run(config.where or None, config.keys, config.rate or None)
    except DroplessError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    seconds = time.monotonic() - begun
    lines = [f"| {each.source} | {each.note.value} | {each.done} | {each.rows} | {each.again} |" for each in steps]
    head = "| source | end | rows read again | rows at the beginning | slices twice |\n|---|---|---|---|---|"
    context.add_output_metadata(
        {
            "rows": dg.MetadataValue.int(sum(each.done for each in steps)),
            "seconds": dg.MetadataValue.float(round(seconds, 3)),
            "sources": dg.MetadataValue.md("\n".join([head, *lines])),
        }
    )


@dg.job(executor_def=dg.in_process_executor, tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)})
def backfill() -> None:
    """Read rows of the sources again, for example to fill a new column of old rows; nothing is changed there."""
    refill()
