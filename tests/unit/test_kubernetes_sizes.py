"""Every row of the specification's table of sizes, read back from what would be installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from charts import environment, installed, one

from dropless.kubernetes import footprint, sizes
from dropless.kubernetes.quantity import GIBIBYTE, heap, parse
from dropless.kubernetes.values import at
from resources.helm import Rendered

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


def _brokers(of: dict[str, Rendered], _name: str) -> Seen:
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
    "kafka": _brokers,
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


def test_the_table_holds_every_row_of_the_specification() -> None:
    assert [each.service for each in sizes.TABLE] == list(SPECIFICATION)
    for row in sizes.TABLE:
        said = SPECIFICATION[row.service]
        assert row.nodes == said["nodes"]
        assert tuple(map(int, row.cpu)) == said["cpu"]
        assert _gigabytes(row.memory) == said.get("memory")
        assert _gigabytes(row.heap) == said.get("heap")
        assert [_gigabytes(each.size) for each in row.volumes for _ in range(each.number)] == said.get("volumes", [])
        assert {name: _gigabytes(size) for name, size in row.buffers} == said.get("buffers", {})


@pytest.mark.parametrize("service", SPECIFICATION)
def test_as_many_nodes_are_installed(service: str) -> None:
    assert SEEN[service](installed(), service).nodes == SPECIFICATION[service]["nodes"]


@pytest.mark.parametrize("service", SPECIFICATION)
def test_each_node_has_its_cpus(service: str) -> None:
    resources = SEEN[service](installed(), service).resources
    asked = tuple(parse(resources[each]["cpu"]) for each in ("requests", "limits"))
    assert asked == SPECIFICATION[service]["cpu"]


@pytest.mark.parametrize("service", [name for name, row in SPECIFICATION.items() if "memory" in row])
def test_each_node_has_its_memory(service: str) -> None:
    resources = SEEN[service](installed(), service).resources
    # Asked for and bounded alike: a node never lends what a broker or a JVM counts on.
    assert [_gigabytes(resources[each]["memory"]) for each in ("requests", "limits")] == [
        SPECIFICATION[service]["memory"]
    ] * 2


@pytest.mark.parametrize("service", [name for name, row in SPECIFICATION.items() if "heap" in row])
def test_each_node_has_its_heap(service: str) -> None:
    seen = SEEN[service](installed(), service)
    assert seen.heap == SPECIFICATION[service]["heap"] * GIBIBYTE


@pytest.mark.parametrize("service", [name for name, row in SPECIFICATION.items() if "volumes" in row])
def test_each_node_has_its_volumes(service: str) -> None:
    seen = SEEN[service](installed(), service)
    assert sorted(map(_gigabytes, seen.volumes)) == sorted(SPECIFICATION[service]["volumes"])


def test_the_rest_proxy_has_its_buffers() -> None:
    seen = SEEN["rest-proxy"](installed(), "rest-proxy")
    assert {name: _gigabytes(size) for name, size in seen.buffers} == SPECIFICATION["rest-proxy"]["buffers"]


@pytest.mark.parametrize("size", ["seed", "laptop"])
@pytest.mark.parametrize("service", [name for name, see in SEEN.items() if name != "lenses"])
def test_a_heap_leaves_room_in_its_memory(service: str, size: str) -> None:
    seen = SEEN[service](installed(size), service)
    if seen.heap is not None:
        # Java's own, off the heap: threads, code, direct buffers, compressed class space.
        assert seen.heap <= parse(seen.resources["limits"]["memory"]) * Decimal("0.76")


def test_zookeepers_transaction_log_is_apart_from_its_data() -> None:
    spec = one(installed()["zookeeper"], "StatefulSet")["spec"]
    sizes_by_name = {
        each["metadata"]["name"]: each["spec"]["resources"]["requests"]["storage"]
        for each in spec["volumeClaimTemplates"]
    }
    (container,) = spec["template"]["spec"]["containers"]
    mounts = {each["mountPath"]: sizes_by_name[each["name"]] for each in container["volumeMounts"]}
    variables = environment(spec["template"])
    assert mounts[variables["ZOO_DATA_LOG_DIR"]] == "256Gi"
    assert mounts[variables["ZOO_DATA_DIR"]] == "1Ti"


def test_a_laptop_of_12_gb_is_enough() -> None:
    of = [_footprint(each) for each in installed("laptop").values()]
    everything = footprint.total(of)
    # Kubernetes itself, in one node, takes about a gigabyte.
    assert everything.memory_limit <= 11 * GIBIBYTE
    assert everything.memory == everything.memory_limit
    assert everything.cpu <= 3
    assert everything.disk <= 60 * GIBIBYTE


def test_a_laptop_keeps_three_brokers() -> None:
    assert _brokers(installed("laptop"), "kafka").nodes == 3


def test_what_the_specifications_sizes_cost() -> None:
    everything = footprint.total(_footprint(each) for each in installed().values())
    # Three brokers and three ZooKeepers alone.
    assert everything.memory > 3 * (32 + 16) * GIBIBYTE
    assert everything.disk > 3 * (6 * 1024 + 1024 + 256) * GIBIBYTE
    assert everything.cpu > 3 * 6 + 2 * 16


def _footprint(each: Rendered) -> footprint.Footprint:
    return (
        footprint.of_values(each.release, each.values)
        if each.manifests is None
        else footprint.of_manifests(each.manifests)
    )


def _gigabytes(text: str | None) -> float | None:
    return None if text is None else float(parse(text) / GIBIBYTE)
