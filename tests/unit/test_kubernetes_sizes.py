"""Every row of the specification's table of sizes, read back from what would be installed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from charts import environment, installed, one
from specified import SEEN, SPECIFICATION, brokers, gigabytes

from dropless.kubernetes import footprint, sizes
from dropless.kubernetes.quantity import GIBIBYTE, parse
from resources.helm import Rendered


def test_the_table_holds_every_row_of_the_specification() -> None:
    assert [each.service for each in sizes.TABLE] == list(SPECIFICATION)
    for row in sizes.TABLE:
        said = SPECIFICATION[row.service]
        assert row.nodes == said["nodes"]
        assert tuple(map(int, row.cpu)) == said["cpu"]
        assert gigabytes(row.memory) == said.get("memory")
        assert gigabytes(row.heap) == said.get("heap")
        assert [gigabytes(each.size) for each in row.volumes for _ in range(each.number)] == said.get("volumes", [])
        assert {name: gigabytes(size) for name, size in row.buffers} == said.get("buffers", {})


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
    assert [gigabytes(resources[each]["memory"]) for each in ("requests", "limits")] == [
        SPECIFICATION[service]["memory"]
    ] * 2


@pytest.mark.parametrize("service", [name for name, row in SPECIFICATION.items() if "heap" in row])
def test_each_node_has_its_heap(service: str) -> None:
    seen = SEEN[service](installed(), service)
    assert seen.heap == SPECIFICATION[service]["heap"] * GIBIBYTE


@pytest.mark.parametrize("service", [name for name, row in SPECIFICATION.items() if "volumes" in row])
def test_each_node_has_its_volumes(service: str) -> None:
    seen = SEEN[service](installed(), service)
    assert sorted(map(gigabytes, seen.volumes)) == sorted(SPECIFICATION[service]["volumes"])


def test_the_rest_proxy_has_its_buffers() -> None:
    seen = SEEN["rest-proxy"](installed(), "rest-proxy")
    assert {name: gigabytes(size) for name, size in seen.buffers} == SPECIFICATION["rest-proxy"]["buffers"]


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


def test_a_laptop_keeps_threebrokers() -> None:
    assert brokers(installed("laptop"), "kafka").nodes == 3


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
