"""Assets that mean "exists as declared": materialising one plans, applies, and waits until it works."""

import time
from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from dropless.errors import DroplessError
from dropless.plan import Action, Plan, Resource, digest
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.presentation import first_difference, plan_metadata
from pipeline_assets.verdict import Verdict
from resources.provisioning import preview, provision

DRIFT = "plan_is_empty"

Desired = Callable[[Installation], Sequence[Resource]]
KeyOf = Callable[[Resource], dg.AssetKey]


def provisioned(
    name: str, specs: Sequence[dg.AssetSpec], desired: Desired, pool: str, key_of: KeyOf = keys.of
) -> dg.Definitions:
    """One multi-asset for things that are provisioned together, and the check that none has drifted.

    Args:
        name: of the step that a run shows.
        specs: one asset for each thing, or for each group of things that `key_of` puts under one key.
        desired: what must exist; things of other keys are left out.
        pool: runs of the same pool never overlap.
        key_of: the asset to which a thing belongs.
    """

    def wanted(installation: Installation, selected: set[dg.AssetKey]) -> list[Resource]:
        return [resource for resource in desired(installation) if key_of(resource) in selected]

    @dg.multi_asset(name=name, specs=specs, can_subset=True, pool=pool)
    def materialise(
        context: dg.AssetExecutionContext, installation: Installation
    ) -> Iterator[dg.MaterializeResult[None]]:
        resources = wanted(installation, set(context.selected_asset_keys))
        started = time.monotonic()
        try:
            plan = provision(resources, installation.adapters, progress=context.log.info)
        except DroplessError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        seconds = time.monotonic() - started
        for key in sorted(context.selected_asset_keys):
            own = [resource for resource in resources if key_of(resource) == key]
            yield dg.MaterializeResult(
                asset_key=key,
                metadata=plan_metadata(_own_changes(plan, key, key_of))
                | {"seconds": dg.MetadataValue.float(round(seconds, 3))},
                data_version=dg.DataVersion(digest(own)),
            )

    drift_specs = [
        dg.AssetCheckSpec(DRIFT, asset=spec.key, description="What runs is what is declared: a plan has nothing to do.")
        for spec in specs
    ]

    @dg.multi_asset_check(name=f"{name}_drift", specs=drift_specs, can_subset=True, pool=pool)
    def drift(context: dg.AssetCheckExecutionContext, installation: Installation) -> Iterator[dg.AssetCheckResult]:
        selected = {check.asset_key for check in context.selected_asset_check_keys}
        try:
            plan = preview(wanted(installation, selected), installation.adapters)
        except DroplessError as error:
            # What cannot be compared is not as declared: the check says what does not answer.
            for check in sorted(context.selected_asset_check_keys):
                yield Verdict(False, str(error)).result(check)
            return
        for check in sorted(context.selected_asset_check_keys):
            yield drift_verdict(_own_changes(plan, check.asset_key, key_of)).result(check)

    return dg.Definitions(assets=[materialise], asset_checks=[drift])


def drift_verdict(plan: Plan) -> Verdict:
    """What a plan says of drift: nothing to do, something missing, or something different."""
    if plan.empty:
        return Verdict(True, "As declared.", metadata=plan_metadata(plan))
    missing = [change.desired.name for change in plan.changes if change.action is Action.CREATE]
    if missing:
        return Verdict(False, f"Missing: {', '.join(missing)}.", metadata=plan_metadata(plan))
    return Verdict(False, first_difference(plan), risk=False, metadata=plan_metadata(plan))


def _own_changes(plan: Plan, key: dg.AssetKey, key_of: KeyOf) -> Plan:
    return Plan(tuple(change for change in plan.changes if key_of(change.desired) == key))
