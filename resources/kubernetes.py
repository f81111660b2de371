"""What is rendered against what is live, through whatever can read a cluster's objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from dropless.kubernetes import manifests
from dropless.kubernetes.manifests import Reference
from dropless.plan import Json, Resource
from resources.helm import Rendered
from resources.managed import managed

_ABSENT: Final = object()


class Cluster(Protocol):
    """The live side."""

    def read(self, reference: Reference) -> Mapping[str, Any] | None:
        """An object as the API server has it, or None when there is none of that name or kind.

        Raises:
            Unreachable: the API server does not answer.
        """


def desired(rendered: Sequence[Rendered]) -> list[Resource]:
    """Every object of every release that is rendered."""
    return [
        manifests.resource(each.release.name, manifest, each.namespace)
        for each in rendered
        for manifest in each.manifests or ()
    ]


def observe(cluster: Cluster, wanted: Sequence[Resource]) -> dict[str, Resource]:
    """What exists of it, by `Resource.id`, reduced to the properties that are desired."""
    found = {}
    for each in wanted:
        live = cluster.read(manifests.of(each))
        if live is not None:
            seen = _shared(each.properties, manifests.properties(live))
            found[each.id] = Resource(each.system, each.kind, each.name, seen)
    return found


def _shared(wanted: Json, found: Json) -> Json:
    """The found value with only the paths that are wanted.

    An empty object means "all" or "nothing more" in Kubernetes, so whatever is found in its place is shown.
    """
    if isinstance(wanted, Mapping):
        if not wanted:
            return {} if found is _ABSENT or not found else found
        if isinstance(found, Mapping):
            pairs = ((name, _shared(value, found.get(name, _ABSENT))) for name, value in wanted.items())
            return {name: value for name, value in pairs if value is not _ABSENT}
    if found is _ABSENT:
        # The API server leaves out what is empty.
        return wanted if wanted == [] else _ABSENT
    return managed(wanted, found)
