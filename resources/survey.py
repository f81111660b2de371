"""Looking: what differs from what is desired, what would be refused, what cannot be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dropless.errors import DroplessError
from dropless.plan import Plan, Resource, plan
from resources.adapter import Adapter, Holding, Preflight, Progress
from resources.kinds import VALIDATED_AGAINST, adapter_of, by_kind, counted


@dataclass(frozen=True)
class Survey:
    """What provisioning would change, what of that would be refused, what could not be looked at, what is held back.

    `refused` goes by `Resource.id`; a refusal that is `Unsafe` is lifted by allowing destructive changes.
    `unseen` goes by kind. `held` goes by `Resource.id`, and says who holds it back: it stays so.
    """

    plan: Plan
    refused: Mapping[str, DroplessError]
    unseen: Mapping[str, DroplessError]
    held: Mapping[str, str] = field(default_factory=dict)


def survey(desired: Sequence[Resource], known: Mapping[str, Adapter], progress: Progress = lambda _: None) -> Survey:
    """Look at everything that can be looked at, whatever else is away; nothing is changed by asking."""
    observed: dict[str, Resource] = {}
    seen: list[Resource] = []
    unseen: dict[str, DroplessError] = {}
    for kind, resources in by_kind(desired).items():
        progress(f"looking at {counted(kind, resources)}")
        try:
            observed |= adapter_of(kind, known).observe(resources)
        except DroplessError as error:
            unseen[kind] = error
        else:
            seen += resources
    todo = plan(seen, observed)
    progress("asking whether anything would be refused")
    return Survey(todo, refusals(todo, known), unseen, held(seen, known))


def held(desired: Sequence[Resource], known: Mapping[str, Adapter]) -> dict[str, str]:
    """What somebody holds back on purpose, by `Resource.id`: no change of a plan, but to be told.

    Raises:
        DroplessError: a system does not answer.
    """
    found: dict[str, str] = {}
    for kind, resources in by_kind(desired).items():
        adapter = adapter_of(kind, known)
        if isinstance(adapter, Holding):
            found |= adapter.held(resources)
    return found


def preview(desired: Sequence[Resource], known: Mapping[str, Adapter], progress: Progress = lambda _: None) -> Plan:
    """What provisioning would change; nothing is changed by asking.

    Raises:
        DroplessError: a system does not answer, or something that a person must make is missing.
    """
    observed: dict[str, Resource] = {}
    for kind, resources in by_kind(desired).items():
        progress(f"looking at {counted(kind, resources)}")
        observed |= adapter_of(kind, known).observe(resources)
    return plan(ordered(desired), observed)


def refusals(changes: Plan, known: Mapping[str, Adapter]) -> dict[str, DroplessError]:
    """Every change that would be refused, by `Resource.id`, with the reason."""
    changing = {change.desired.id for change in changes.changes}
    refused: dict[str, DroplessError] = {}
    for change in changes.changes:
        kind, name = change.desired.kind, change.desired.name
        adapter = adapter_of(kind, known)
        too_early = any(f"{needed}:{name}" in changing for needed in VALIDATED_AGAINST.get(kind, ()))
        if isinstance(adapter, Preflight) and not too_early:
            try:
                adapter.check(change)
            except DroplessError as error:
                refused[change.desired.id] = error
    return refused


def check(changes: Plan, known: Mapping[str, Adapter]) -> None:
    """Ask for every change whether it would be refused.

    Raises:
        DroplessError: the first refusal.
    """
    for error in refusals(changes, known).values():
        raise error


def ordered(desired: Sequence[Resource]) -> list[Resource]:
    """The resources, each after those that it needs."""
    return [each for resources in by_kind(desired).values() for each in resources]
