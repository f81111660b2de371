"""Rendered manifests as properties of a plan: each on a path of its own, and no secret among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from dropless.kubernetes.quantity import plain

Json = Any
Manifest = Mapping[str, Any]

# Kinds that no namespace holds, of those that charts bring.
_CLUSTER_WIDE: Final = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PriorityClass",
        "StorageClass",
        "ValidatingWebhookConfiguration",
    }
)
# Below these, values are quantities, which the API server writes its own way.
_QUANTITIES: Final = frozenset({"requests", "limits", "capacity", "hard"})
_HOOK: Final = "helm.sh/hook"


@dataclass(frozen=True)
class Reference:
    """One object of the API."""

    api_version: str
    kind: str
    name: str
    namespace: str | None

    @property
    def id(self) -> str:
        """Its name in a plan: `StatefulSet.apps/dropless/zookeeper`."""
        group = self.api_version.rpartition("/")[0]
        kind = f"{self.kind}.{group}" if group else self.kind
        return "/".join(part for part in (kind, self.namespace, self.name) if part)


def parse(text: str) -> list[Manifest]:
    """The manifests in what `helm template` prints; hooks and tests are no part of what is installed.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    found = [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]
    return [each for each in found if _HOOK not in (each["metadata"].get("annotations") or {})]


def reference(manifest: Manifest, namespace: str) -> Reference:
    """Which object a manifest is, in the namespace of its release unless it says another."""
    metadata = manifest["metadata"]
    place = None if manifest["kind"] in _CLUSTER_WIDE else metadata.get("namespace", namespace)
    return Reference(manifest["apiVersion"], manifest["kind"], metadata["name"], place)


def properties(manifest: Manifest) -> dict[str, Json]:
    """What of an object is compared: everything but its status, its identity, and the values of a Secret."""
    metadata = manifest.get("metadata") or {}
    # Helm and others label what the chart does not, and an empty object would mean that there may be nothing.
    labelled = {name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)}
    told: dict[str, Json] = {"metadata": labelled} if labelled else {}
    if manifest["kind"] == "Secret":
        keys = {*(manifest.get("data") or {}), *(manifest.get("stringData") or {})}
        told |= {"type": manifest.get("type", "Opaque"), "keys": dict.fromkeys(keys, True)}
    else:
        kept = manifest.keys() - {"apiVersion", "kind", "metadata", "status"}
        told |= {name: manifest[name] for name in manifest if name in kept}
    return {name: _normal(value) for name, value in told.items()}


def _normal(value: Json, *, quantity: bool = False) -> Json:
    if isinstance(value, Mapping):
        return {
            str(name): _normal(each, quantity=quantity or name in _QUANTITIES)
            for name, each in value.items()
            if each is not None
        }
    if isinstance(value, list):
        items = [_normal(each, quantity=quantity) for each in value]
        # As an object by name, so that a difference is one container's or one variable's.
        return {each["name"]: each for each in items} if _named(items) else items
    if quantity and isinstance(value, str | int | float) and not isinstance(value, bool):
        return plain(value)
    return value


def _named(items: list[Json]) -> bool:
    names = [each["name"] for each in items if isinstance(each, Mapping) and isinstance(each.get("name"), str)]
    return bool(items) and len(names) == len(items) == len(set(names))
