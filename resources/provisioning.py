"""Making the observed world the desired one, in the order in which things depend on each other."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.plan import Plan, Resource, plan
from resources.adapter import Adapter, Preflight
from resources.kafka import Topics
from resources.kafka_connect import Connectors
from resources.minio import Buckets, S3Users
from resources.mongodb import MongodbSources
from resources.pinot import PinotSchemas, PinotTables
from resources.postgresql import PostgresqlSources
from resources.schema_registry import Subjects

Progress = Callable[[str], None]

# A kind needs only kinds before it.
ORDER = (
    "bucket",
    "s3_user",
    "topic",
    "subject",
    "postgresql_source",
    "mongodb_source",
    "connector",
    "pinot_schema",
    "pinot_table",
    "process",
)
# Connect signs in at the source to validate a connector, Pinot looks at the schema to validate a table:
# they are asked only when that thing of the same name is as it should be.
VALIDATED_AGAINST = {"connector": ("postgresql_source", "mongodb_source"), "pinot_table": ("pinot_schema",)}
# A connector that follows a killed worker waits for its open transaction first; seen: 63 s.
READY_SECONDS = 180.0
SETTLE_SECONDS = 15.0


def adapters(endpoints: Endpoints) -> dict[str, Adapter]:
    """The adapter of every kind but `process`, which belongs to the platform; none connects before it is used."""
    return {
        "bucket": Buckets(endpoints),
        "s3_user": S3Users(endpoints),
        "topic": Topics(endpoints),
        "subject": Subjects(endpoints),
        "postgresql_source": PostgresqlSources(endpoints),
        "mongodb_source": MongodbSources(endpoints),
        "connector": Connectors(endpoints),
        "pinot_schema": PinotSchemas(endpoints),
        "pinot_table": PinotTables(endpoints),
    }


def preview(desired: Sequence[Resource], known: Mapping[str, Adapter], progress: Progress = lambda _: None) -> Plan:
    """What provisioning would change; nothing is changed by asking.

    Raises:
        DroplessError: a system does not answer, or something that a person must make is missing.
    """
    observed: dict[str, Resource] = {}
    for kind, resources in by_kind(desired).items():
        progress(f"looking at {_counted(kind, resources)}")
        observed |= _adapter(kind, known).observe(resources)
    return plan(_ordered(desired), observed)


def check(changes: Plan, known: Mapping[str, Adapter]) -> None:
    """Ask for every change whether it would be refused.

    Raises:
        DroplessError: the first refusal.
    """
    changing = {change.desired.id for change in changes.changes}
    for change in changes.changes:
        kind, name = change.desired.kind, change.desired.name
        adapter = _adapter(kind, known)
        too_early = any(f"{needed}:{name}" in changing for needed in VALIDATED_AGAINST.get(kind, ()))
        if isinstance(adapter, Preflight) and not too_early:
            adapter.check(change)


def provision(
    desired: Sequence[Resource],
    known: Mapping[str, Adapter],
    progress: Progress = lambda _: None,
    ready_seconds: float = READY_SECONDS,
    settle_seconds: float = SETTLE_SECONDS,
) -> Plan:
    """Observe, plan, apply in the order of dependency, wait until ready, and see that nothing is left to do.

    Applying twice is applying once. What is not in `desired` is not touched. A refusal that can be foreseen
    comes before the first change.

    Returns:
        The plan that was applied; it is empty if there was nothing to do.

    Raises:
        DroplessError: a change was refused or invalid, or a property did not settle.
        NotReady: something did not become ready within `ready_seconds` of its kind.
    """
    todo = preview(desired, known, progress)
    check(todo, known)
    for kind, resources in by_kind(desired).items():
        adapter = _adapter(kind, known)
        for change in (each for each in todo.changes if each.desired.kind == kind):
            progress(f"{change.action.value} {change.desired.id}")
            adapter.apply(change)
        progress(f"waiting for {_counted(kind, resources)}")
        adapter.wait_ready(resources, ready_seconds)
    if not todo.empty:
        progress("looking whether anything is left to do")
        _settle(desired, known, settle_seconds)
    return todo


def select(desired: Sequence[Resource], only: str | None) -> list[Resource]:
    """The resources of one kind (`topic`), or the one that is named (`topic:unified.orders`); all without `only`.

    Raises:
        DroplessError: there is none; the sentence names the nearest.
    """
    if only is None:
        return list(desired)
    selected = [each for each in desired if only in (each.id, each.kind)]
    if not selected:
        names = [each.id for each in desired] + sorted({each.kind for each in desired})
        near = difflib.get_close_matches(only, names, n=1, cutoff=0)
        raise DroplessError(f"Nothing is called {only!r}; did you mean {near[0] if near else 'another contract'!r}?")
    return selected


def by_kind(desired: Sequence[Resource]) -> dict[str, list[Resource]]:
    """The resources by kind, in the order in which kinds depend on each other.

    Raises:
        DroplessError: a kind has no place in that order.
    """
    unknown = sorted({each.kind for each in desired} - set(ORDER))
    if unknown:
        raise DroplessError(f"Nobody knows how to make a {unknown[0]!r}; the kinds are {', '.join(ORDER)}.")
    grouped = {kind: [each for each in desired if each.kind == kind] for kind in ORDER}
    return {kind: resources for kind, resources in grouped.items() if resources}


def _ordered(desired: Sequence[Resource]) -> list[Resource]:
    return [each for resources in by_kind(desired).values() for each in resources]


def _adapter(kind: str, known: Mapping[str, Adapter]) -> Adapter:
    try:
        return known[kind]
    except KeyError:
        raise DroplessError(f"Things of the kind {kind!r} cannot be provisioned from here.") from None


def _settle(desired: Sequence[Resource], known: Mapping[str, Adapter], seconds: float) -> None:
    # A change just made reaches the last broker, controller or worker a moment after the first.
    retrying = Retrying(
        retry=retry_if_result(lambda left: not left.empty),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.5),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    left: Plan = retrying(preview, desired, known)
    if left.empty:
        return
    change = left.changes[0]
    each = change.properties[0] if change.properties else None
    detail = f": its property {each.path} is {each.before!r} instead of {each.after!r}" if each else ""
    raise DroplessError(f"{change.desired.id} was applied but is not as desired{detail}.")


def _counted(kind: str, resources: Sequence[Resource]) -> str:
    words = kind.replace("_", " ")
    ending = "es" if words.endswith("s") else "s"
    return f"{len(resources)} {words}{'' if len(resources) == 1 else ending}"
