"""Whether the contract knows every column of its sources, as an asset check of each source."""

from collections.abc import Iterator

import dagster as dg

from dropless.contract import Contract
from dropless.errors import DroplessError
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.verdict import Verdict
from resources.source_columns import unknown_columns

KNOWN = "columns_are_known"


def source_columns(contract: Contract) -> dg.AssetChecksDefinition:
    """The check of each source of a table; what becomes of an unknown column is the contract's `schema_policy`."""
    specs = {
        source.name: dg.AssetCheckSpec(
            KNOWN,
            asset=keys.source(contract.name, source.name),
            description="The contract takes or ignores every column that the source has. By `schema_policy`, values in "
            "another one are not taken (freeze), can be added by `dropless evolve` (evolve), or make their rows dead "
            "letters until the contract is mended (quarantine).",
        )
        for source in contract.sources
    }

    @dg.multi_asset_check(name=f"{contract.name}_source_columns", specs=list(specs.values()), can_subset=True)
    def check(context: dg.AssetCheckExecutionContext, installation: Installation) -> Iterator[dg.AssetCheckResult]:
        selected = {source: spec.key for source, spec in specs.items() if spec.key in context.selected_asset_check_keys}
        try:
            unknown = unknown_columns(installation.endpoints, contract)
        except DroplessError as error:
            for key in selected.values():
                yield Verdict(False, str(error)).result(key)
            return
        for source, key in selected.items():
            told = [str(each) for each in unknown if each.proposal.source == source]
            yield Verdict(not told, " ".join(told) or "Every column is known.", risk=False).result(key)

    return check
