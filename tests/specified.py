"""The specification's table of sizes, and a system's nodes as manifests have them: rendered ones, or live ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dropless.kubernetes.quantity import GIBIBYTE, heap, parse
from dropless.kubernetes.values import at
from resources.helm import Rendered

Manifest = Mapping[str, Any]


def one(of: Rendered, kind: str, name: str | None = None) -> Manifest:
    """The object of a kind and name in a release."""
    found = [each for each in of.manifests or () if each["kind"] == kind and name in {None, each["metadata"]["name"]}]
    assert len(found) == 1, f"{len(found)} {kind} {name}"
    return found[0]


def environment(template: Manifest) -> dict[str, Any]:
    """The variables of a pod's one container; a reference to a Secret as itself."""
    (container,) = template["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


# As the specification writes it: nodes, CPU from and to, and in GB the memory, the heap and the volumes of a node.
SPECIFICATION: dict[str, dict[str, Any]] = {
    "zookeeper": {"nodes": 3, "cpu": (2, 4), "memory": 16, "volumes": [256, 1024]},
    "kafka": {"nodes": 3, "cpu": (6, 6), "memory": 32, "volumes": [1024] * 6},
    "schema-registry": {"nodes": 2, "cpu": (2, 4), "heap": 1},
    "kafka-connect": {"nodes": 2, "cpu": (2, 4), "heap": 2},
    "rest-proxy": {"nodes": 2, "cpu": (16, 16), "buffers": {"producer": 0.5, "consumer": 0.015625}},
    "ksqldb": {"nodes": 2, "cpu": (2, 2), "memory": 10, "volumes": [128]},
    "postgresql": {"nodes": 1, "cpu": (2, 2)},
    "mongodb": {"nodes": 1, "cpu": (2, 2)},
    "pinot": {"nodes": 3, "cpu": (2, 4)},
    "minio": {"nodes": 2, "cpu": (2, 2)},
    "lenses": {"nodes": 2, "cpu": (2, 2)},
}


@dataclass(frozen=True)
class Seen:
    """A system's nodes, as what is rendered has them."""

    nodes: int
    resources: Any
    heap: int | None = None
    volumes: tuple[str, ...] = ()
    buffers: tuple[tuple[str, str], ...] = ()


def _workload(kind: str, heap_variable: str) -> Callable[[dict[str, Rendered], str], Seen]:
    def see(of: dict[str, Rendered], name: str) -> Seen:
        spec = one(of[name], kind, name)["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        claims = [each["spec"]["resources"]["requests"]["storage"] for each in spec.get("volumeClaimTemplates", [])]
        variables = environment(spec["template"])
        buffers = {
            "producer": variables.get("KAFKA_REST_PRODUCER_BUFFER_MEMORY"),
            "consumer": variables.get("KAFKA_REST_CONSUMER_REQUEST_MAX_BYTES"),
        }
        found = tuple((name, value) for name, value in buffers.items() if value)
        return Seen(spec["replicas"], container["resources"], heap(variables[heap_variable]), tuple(claims), found)

    return see


def brokers(of: dict[str, Rendered], _name: str) -> Seen:
    """Kafka's brokers, which are a pool of its operator's."""
    spec = one(of["kafka"], "KafkaNodePool", "brokers")["spec"]
    assert spec["roles"] == ["broker"]
    assert {each["type"] for each in spec["storage"]["volumes"]} == {"persistent-claim"}
    volumes = tuple(each["size"] for each in spec["storage"]["volumes"])
    return Seen(spec["replicas"], spec["resources"], heap(f"-Xmx{spec['jvmOptions']['-Xmx']}"), volumes)


def _connect(of: dict[str, Rendered], _name: str) -> Seen:
    spec = one(of["kafka"], "KafkaConnect")["spec"]
    return Seen(spec["replicas"], spec["resources"], heap(f"-Xmx{spec['jvmOptions']['-Xmx']}"))


def _postgresql(of: dict[str, Rendered], name: str) -> Seen:
    spec = one(of[name], "Cluster", name)["spec"]
    return Seen(spec["instances"], spec["resources"])


def _mongodb(of: dict[str, Rendered], name: str) -> Seen:
    spec = one(of[name], "MongoDBCommunity", name)["spec"]
    containers = {each["name"]: each for each in spec["statefulSet"]["spec"]["template"]["spec"]["containers"]}
    return Seen(spec["members"], containers["mongod"]["resources"])


def _pinot(of: dict[str, Rendered], name: str) -> Seen:
    return Seen(at(of[name].values, "server.replicaCount"), at(of[name].values, "server.resources"))


def _minio(of: dict[str, Rendered], name: str) -> Seen:
    assert of[name].values["pools"] == 1
    return Seen(of[name].values["replicas"], of[name].values["resources"])


def _lenses(of: dict[str, Rendered], _name: str) -> Seen:
    parts = [of[name].values["resources"] for name in ("lenses-hq", "lenses-agent")]
    (cpu,) = {(each["requests"]["cpu"], each["limits"]["cpu"]) for each in parts}
    return Seen(len(parts), {"requests": {"cpu": cpu[0]}, "limits": {"cpu": cpu[1]}})


SEEN: dict[str, Callable[[dict[str, Rendered], str], Seen]] = {
    "zookeeper": _workload("StatefulSet", "JVMFLAGS"),
    "kafka": brokers,
    "schema-registry": _workload("Deployment", "SCHEMA_REGISTRY_HEAP_OPTS"),
    "kafka-connect": _connect,
    "rest-proxy": _workload("Deployment", "KAFKAREST_HEAP_OPTS"),
    "ksqldb": _workload("StatefulSet", "KSQL_HEAP_OPTS"),
    "postgresql": _postgresql,
    "mongodb": _mongodb,
    "pinot": _pinot,
    "minio": _minio,
    "lenses": _lenses,
}


def gigabytes(text: str | None) -> float | None:
    """A quantity in the specification's GB, which are binary ones here."""
    return None if text is None else float(parse(text) / GIBIBYTE)
