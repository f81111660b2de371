"""Work on a union's records: the audit as an asset check, and the replay of dead letters as a job."""

from collections.abc import Iterator

import dagster as dg

from dropless import names
from dropless.contract import Contract, load_contracts
from dropless.declared import declared
from dropless.errors import DroplessError
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.verdict import Verdict
from resources.audit import Report, audit
from resources.replay import replay

ONCE = "each_record_once"
SHOWN = 20
_OPERATIONS = {"c": "created", "u": "updated", "d": "deleted", "r": "read by a snapshot"}


def audits(contracts: list[Contract]) -> list[dg.AssetChecksDefinition]:
    """The check of each unified topic."""
    return [_check(contract) for contract in contracts]


def _check(contract: Contract) -> dg.AssetChecksDefinition:
    spec = dg.AssetCheckSpec(
        ONCE,
        asset=keys.topic(names.unified_topic(contract.name)),
        description="Every committed record of every raw topic came out exactly once, as a row or as a dead letter, "
        "and the versions of a key are in order. Findings are told until somebody accepts them "
        "(`dropless audit --accept`).",
    )

    @dg.multi_asset_check(name=f"{contract.name}_audit", specs=[spec], pool=f"audit_{contract.name}")
    def check(installation: Installation) -> Iterator[dg.AssetCheckResult]:
        try:
            report = audit(installation.endpoints, contract, installation.settings.audit_bookmark(contract.name))
        except DroplessError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        yield verdict(report).result(spec.key)

    return check


def verdict(report: Report) -> Verdict:
    """What an audit says of a table."""
    read = f"{report.records:,} raw records, {report.rows:,} rows, {report.dead:,} dead letters"
    lines = [
        f"| {each.anomaly} | `{each.topic}[{each.partition}]@{each.offset}` | {each.detail} |"
        for each in report.findings[:SHOWN]
    ]
    table = "\n".join(["| finding | raw record | what |", "|---|---|---|", *lines])
    return Verdict(
        not report.findings,
        f"{len(report.findings):,} findings in {read}." if report.findings else f"Nothing wrong in {read}.",
        metadata={
            "raw records": dg.MetadataValue.int(report.records),
            "rows": dg.MetadataValue.int(report.rows),
            "dead letters": dg.MetadataValue.int(report.dead),
            "seconds": dg.MetadataValue.float(round(report.seconds, 3)),
            **{_OPERATIONS[op]: dg.MetadataValue.int(number) for op, number in sorted(report.operations.items())},
        }
        | ({"findings": dg.MetadataValue.md(table)} if report.findings else {}),
    )


class ReplayConfig(dg.Config):
    """Which dead letters to map again, and whether only to look."""

    table: str = ""
    dry_run: bool = False


@dg.op(pool="replay")
def map_dead_letters_again(context: dg.OpExecutionContext, installation: Installation, config: ReplayConfig) -> None:
    """Put the dead letters of a table (all tables when none is named) through the mapping again."""
    settings = installation.settings
    contracts = [declared(settings, config.table)] if config.table else load_contracts(settings.contracts)
    try:
        outcomes = [replay(installation.endpoints, each, write=not config.dry_run) for each in contracts]
    except DroplessError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    rows = [
        f"| {each.table} | {each.replayed} | {each.superseded} | {each.earlier} | {each.still_dead} |"
        for each in outcomes
    ]
    head = "| table | replayed | superseded by a newer version | replayed before | still dead |\n|---|---|---|---|---|"
    context.add_output_metadata({"dead letters": dg.MetadataValue.md("\n".join([head, *rows]))})


@dg.job(executor_def=dg.in_process_executor)
def replay_dead_letters() -> None:
    """After a contract was mended: map its dead letters again and write those that now have a row."""
    map_dead_letters_again()
