"""Waiting for what operators make: it is ready when its operator has seen what was applied, and says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dropless.errors import NotReady
from dropless.kubernetes import manifests
from dropless.kubernetes.manifests import Manifest, Reference
from dropless.kubernetes.releases import Awaited
from resources.api_server import ApiServer
from resources.kubernetes_trouble import troubles
from resources.waiting import until


def referred(awaited: Awaited, rendered: Sequence[Manifest], namespace: str) -> Reference:
    """The object of a release that is awaited.

    Raises:
        ValueError: the release has none.
    """
    plural, _, group = awaited.kind.partition(".")
    for manifest in rendered:
        which = manifests.reference(manifest, namespace)
        same = which.api_version.startswith(f"{group}/") and plural.startswith(which.kind.lower())
        if same and which.name == awaited.name:
            return which
    raise ValueError(f"nothing that is rendered is {awaited.kind}/{awaited.name}")


def missing(awaited: Awaited, found: Mapping[str, Any] | None) -> str | None:
    """What a custom resource lacks to be ready, in its operator's words; None if it is."""
    if found is None:
        return "there is none"
    status, generation = found.get("status") or {}, found["metadata"].get("generation")
    if "observedGeneration" in status and status["observedGeneration"] != generation:
        return "its operator has not yet seen the change"
    if awaited.phase:
        if status.get("phase") == awaited.phase:
            return None
        if not status.get("phase"):
            return "it has no phase: does its operator run?"
        return f"its phase is {status['phase']} {status.get('message') or ''}".strip()
    if not status.get("conditions"):
        return "it has no status: does its operator run?"
    for condition in status["conditions"]:
        if condition["type"] == awaited.condition:
            # CloudNativePG says it of each condition.
            seen = condition.get("observedGeneration", generation)
            if condition["status"] == "True" and seen == generation:
                return None
            return f"{condition.get('reason') or 'it is not ready'}: {condition.get('message') or 'no message'}"
    return "; ".join(f"{each['type']}: {each.get('message') or each['status']}" for each in status["conditions"])


def wait(
    cluster: ApiServer,
    awaited: Awaited,
    which: Reference,
    seconds: float,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Wait until a custom resource is ready.

    Raises:
        NotReady: it was not in its time; the sentence says what was missing, which pods, and their last warnings.
    """

    def look() -> str | None:
        lacking = missing(awaited, cluster.read(which))
        if lacking:
            progress(f"waiting for {which.id}: {lacking}")
        return lacking

    try:
        until(which.id, look, seconds)
    except NotReady as error:
        why = troubles(cluster, str(which.namespace), {awaited.name})
        raise NotReady(". ".join([str(error), *why])) from None
