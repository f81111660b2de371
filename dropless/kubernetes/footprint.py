"""What an installation asks of a cluster: pods, cores, memory and disk, summed over what is rendered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dropless.kubernetes.manifests import Manifest
from dropless.kubernetes.quantity import parse
from dropless.kubernetes.releases import Release
from dropless.kubernetes.values import at


@dataclass(frozen=True)
class Footprint:
    """Requests in cores and bytes; of memory also the limits."""

    pods: int = 0
    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)
    memory_limit: Decimal = Decimal(0)
    disk: Decimal = Decimal(0)

    def __add__(self, other: Footprint) -> Footprint:
        """Both together."""
        return Footprint(
            self.pods + other.pods,
            self.cpu + other.cpu,
            self.memory + other.memory,
            self.memory_limit + other.memory_limit,
            self.disk + other.disk,
        )


def total(parts: Iterable[Footprint]) -> Footprint:
    """All of them together."""
    return sum(parts, Footprint())


def of_values(release: Release, values: Mapping[str, Any]) -> Footprint:
    """Of a public chart, which is not on this machine: from the values that it is given.

    Raises:
        KeyError: they do not say how large its pods are.
    """
    parts = []
    for kind in release.pods:
        replicas = int(kind.replicas if kind.replicas.isdecimal() else at(values, kind.replicas) or 0)
        if not replicas:
            continue
        resources = at(values, kind.resources)
        if not resources:
            raise KeyError(f"{release.name}: {kind.resources}")
        size = at(values, kind.volume) if kind.volume else None
        volumes = int(at(values, kind.volumes) or 1) if kind.volumes else 1
        parts.append(_pods(replicas, [resources], [size] * volumes if size else []))
    return total(parts)


def of_manifests(manifests: Iterable[Manifest]) -> Footprint:
    """Of one of our own charts, as it is rendered."""
    return total(_of(each["kind"], each["spec"]) for each in manifests if "spec" in each)


def _of(kind: str, spec: Mapping[str, Any]) -> Footprint:
    match kind:
        case "Deployment" | "StatefulSet":
            containers = [each["resources"] for each in spec["template"]["spec"]["containers"]]
            return _pods(spec.get("replicas", 1), containers, _claims(spec.get("volumeClaimTemplates", [])))
        case "KafkaNodePool":
            sizes = [each["size"] for each in spec["storage"]["volumes"]]
            return _pods(spec["replicas"], [spec["resources"]], sizes)
        case "KafkaConnect":
            return _pods(spec["replicas"], [spec["resources"]])
        case "Kafka":
            return _pods(1, [spec["entityOperator"]["userOperator"]["resources"]])
        case "Cluster":
            sizes = [spec["storage"]["size"], spec["walStorage"]["size"]]
            return _pods(spec["instances"], [spec["resources"]], sizes)
        case "MongoDBCommunity":
            inner = spec["statefulSet"]["spec"]
            containers = [each["resources"] for each in inner["template"]["spec"]["containers"]]
            return _pods(spec["members"], containers, _claims(inner["volumeClaimTemplates"]))
    return Footprint()


def _claims(templates: Iterable[Mapping[str, Any]]) -> list[str]:
    return [each["spec"]["resources"]["requests"]["storage"] for each in templates]


def _pods(replicas: int, containers: Iterable[Mapping[str, Any]], sizes: Iterable[str] = ()) -> Footprint:
    each = list(containers)
    return Footprint(
        replicas,
        replicas * sum((parse(one["requests"]["cpu"]) for one in each), Decimal(0)),
        replicas * sum((parse(one["requests"]["memory"]) for one in each), Decimal(0)),
        replicas * sum((parse(one["limits"]["memory"]) for one in each), Decimal(0)),
        replicas * sum((parse(size) for size in sizes), Decimal(0)),
    )
