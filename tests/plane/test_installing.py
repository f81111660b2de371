"""The whole installation on a real API server: what is made is what was specified, and stays so."""

from __future__ import annotations

import base64
import json
import os
import signal
from dataclasses import replace
from typing import Any

import pytest
import yaml
from charts_of_others import real
from conftest import Cluster, until
from specified import SEEN, SPECIFICATION, gigabytes

from dropless.contract import load_contracts
from dropless.kubernetes import manifests
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.quantity import GIBIBYTE, parse
from dropless.kubernetes.releases import RELEASES, releases
from dropless.settings import PROJECT, Settings
from local_stack.helm import tools
from resources.api_server import Access, ApiServer
from resources.helm import Helm, Rendered, render

# Whose pods are made by our own charts, or by a stage as their operator would.
SPREAD = ("zookeeper", "schema-registry", "rest-proxy", "ksqldb")
# What of the table is a public chart's: which of its workloads, or of the stand-in's.
OF_OTHERS = {
    "pinot": ["pinot-server"] if real("pinot") else ["pinot-2"],
    "minio": ["minio"] if real("minio") else ["minio-0"],
    "lenses": ["lenses-hq-0", "lenses-agent-0"],
}


@pytest.fixture(scope="module")
def live(cluster: Cluster) -> dict[str, Rendered]:
    """Every release with its objects as the API server has them."""
    told = Installation.load(cluster.file)
    contracts = load_contracts(PROJECT / "pipeline_assets" / "defs")
    helm = Helm(tools(Settings.load()).helm, cluster.folder / "helm")
    server = ApiServer.connect(Access("plane", cluster.plane.kubeconfig))

    def seen(each: Rendered) -> Rendered:
        if each.manifests is None:
            return each
        found = [server.read(manifests.reference(one, each.namespace)) for one in each.manifests]
        assert None not in found, each.release.name
        return replace(each, manifests=tuple(one for one in found if one is not None))

    return {each.release.name: seen(each) for each in render(helm, releases(told), told, contracts)}


def pods(cluster: Cluster, selector: str = "") -> list[Any]:
    chosen = ["--selector", selector] if selector else []
    found: list[Any] = cluster.plane.read("pods", "--namespace", "dropless", *chosen)["items"]
    return found


def test_everything_is_deployed_and_a_plan_is_empty(cluster: Cluster) -> None:
    assert cluster.plan() == []
    helm = json.loads(cluster.plane.kubectl("get", "secrets", "-A", "-l", "owner=helm,status=deployed", "-o", "json"))
    assert {each["metadata"]["labels"]["name"] for each in helm["items"]} == {each.name for each in RELEASES}


def test_what_waits_for_its_licence_is_left_out_and_told(cluster: Cluster) -> None:
    elsewhere = cluster.told(namespace="unlicensed")
    # Real operators' permissions would go from this namespace to that one, which is refused.
    planned = cluster.run("plan", "--json", code=1 if real() else 3, installation=elsewhere)
    names = {each["name"] for each in json.loads(planned.stdout)}
    assert {"pinot", "dagster", "pipeline"} <= names
    assert not {"lenses-hq", "lenses-agent"} & names
    assert "lenses-hq is left out until the Secret lenses-licence in unlicensed has 'licence'" in planned.stderr
    asked = cluster.run("plan", "--only", "lenses-agent", code=1, installation=elsewhere)
    assert "lenses-agent is left out until" in asked.stderr


def test_applying_again_changes_nothing(cluster: Cluster) -> None:
    before = cluster.plane.read("secrets", "-A", "-l", "owner=helm")["items"]
    assert json.loads(cluster.run("apply", "--json").stdout) == []
    after = cluster.plane.read("secrets", "-A", "-l", "owner=helm")["items"]
    assert [each["metadata"]["resourceVersion"] for each in after] == [
        each["metadata"]["resourceVersion"] for each in before
    ]


@pytest.mark.parametrize("service", sorted(SPECIFICATION.keys() - OF_OTHERS.keys()))
def test_a_row_of_the_table_is_read_back(live: dict[str, Rendered], service: str) -> None:
    said, seen = SPECIFICATION[service], SEEN[service](live, service)
    assert seen.nodes == said["nodes"]
    assert tuple(parse(seen.resources[each]["cpu"]) for each in ("requests", "limits")) == said["cpu"]
    if "memory" in said:
        assert {gigabytes(seen.resources[each]["memory"]) for each in ("requests", "limits")} == {said["memory"]}
    if "heap" in said:
        assert seen.heap == said["heap"] * GIBIBYTE
    assert sorted(filter(None, map(gigabytes, seen.volumes))) == sorted(said.get("volumes", []))
    assert {name: gigabytes(size) for name, size in seen.buffers} == said.get("buffers", {})


@pytest.mark.parametrize("service", OF_OTHERS)
def test_a_row_of_a_public_chart_is_read_back_from_its_values(cluster: Cluster, service: str) -> None:
    sets = [cluster.plane.read("statefulset", name, "--namespace", "dropless")["spec"] for name in OF_OTHERS[service]]
    assert sum(each["replicas"] for each in sets) == SPECIFICATION[service]["nodes"]
    for each in sets:
        (container,) = each["template"]["spec"]["containers"]
        asked = tuple(parse(container["resources"][kind]["cpu"]) for kind in ("requests", "limits"))
        assert asked == SPECIFICATION[service]["cpu"]


def test_every_pod_is_ready_and_every_volume_bound(cluster: Cluster) -> None:
    found = pods(cluster)
    assert len(found) > 30
    for each in found:
        ready = [one["status"] for one in each["status"]["conditions"] if one["type"] == "Ready"]
        assert ready == ["True"], each["metadata"]["name"]
    claims = cluster.plane.read("pvc", "--namespace", "dropless")["items"]
    assert {each["status"]["phase"] for each in claims} == {"Bound"}
    held = [parse(each["status"]["capacity"]["storage"]) for each in claims]
    # Brokers and ZooKeepers alone have 3 * (6 * 1 TiB + 1 TiB + 256 GiB).
    assert sum(held) > 3 * (7 * 1024 + 256) * GIBIBYTE


@pytest.mark.parametrize("system", [*SPREAD, "brokers", "controllers"])
def test_no_two_pods_of_a_system_share_a_node(cluster: Cluster, system: str) -> None:
    pool = system in {"brokers", "controllers"}
    label = f"strimzi.io/pool-name={system}" if pool else f"app.kubernetes.io/instance={system}"
    nodes = [each["spec"]["nodeName"] for each in pods(cluster, label)]
    assert len(nodes) == len(set(nodes)) > 1


@pytest.mark.parametrize("system", SPREAD)
def test_only_one_pod_of_a_system_may_be_taken_away(cluster: Cluster, system: str) -> None:
    def one_may_go() -> bool:
        budget = cluster.plane.read("pdb", system, "--namespace", "dropless")
        return bool(budget["status"]["disruptionsAllowed"] == 1)

    assert one_may_go()
    first, *others = [each["metadata"]["name"] for each in pods(cluster, f"app.kubernetes.io/instance={system}")]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": first, "namespace": "dropless"}}
    path = "/api/v1/namespaces/dropless/pods/{}/eviction"
    # A pod that is taken away comes back at once here, unless nobody plays the nodes.
    os.kill(cluster.plane.pid("kwok"), signal.SIGSTOP)
    try:
        said = [
            cluster.plane.kubectl(
                "create",
                "--raw",
                path.format(name),
                "--filename",
                "-",
                stdin=json.dumps(eviction | {"metadata": {"name": name, "namespace": "dropless"}}),
                check=False,
            )
            for name in (first, others[0])
        ]
    finally:
        os.kill(cluster.plane.pid("kwok"), signal.SIGCONT)
    assert "Success" in said[0]
    assert "disruption budget" in said[1]
    # Not by its pods: the one that goes may be among them when they are listed, and gone when it is waited for.
    until(one_may_go)


@pytest.mark.parametrize("size", ["seed", "laptop"])
@pytest.mark.parametrize(
    "union", [{"engine": "ksqldb"}, {"engine": "worker", "replicas": 2, "autoscaling": {"enabled": True}}]
)
def test_everything_that_is_rendered_is_valid(cluster: Cluster, size: str, union: dict[str, Any]) -> None:
    told = cluster.told(size=size, union=union, namespace="validated", visitors=["people"])
    cluster.plane.kubectl("create", "namespace", "validated", check=False)
    arguments = ["apply", "--dry-run=server", "--validate=strict", "--namespace", "validated", "--filename", "-"]
    cluster.plane.kubectl(*arguments, stdin=_rendered(cluster, told))


def _rendered(cluster: Cluster, told: Any) -> str:
    installation = Installation.load(told)
    contracts = load_contracts(PROJECT / "pipeline_assets" / "defs")
    helm = Helm(tools(Settings.load()).helm, cluster.folder / "helm")
    # The operators' own objects, in their own namespace, were taken when they were installed.
    chosen = [each for each in releases(installation) if each.ours or (real() and each.namespace == "systems")]
    found = render(helm, chosen, installation, contracts, public=real() is not None)
    return yaml.safe_dump_all([dict(each) for one in found for each in one.manifests or ()])


def test_a_misspelt_field_is_refused(cluster: Cluster) -> None:
    pool = cluster.plane.read("kafkanodepool", "brokers", "--namespace", "dropless")
    pool["spec"]["storage"]["volumes"][0]["siez"] = "1Gi"
    said = cluster.plane.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "--filename", "-", stdin=json.dumps(pool), check=False
    )
    assert "siez" in said


def test_passwords_are_random_and_in_no_output(cluster: Cluster) -> None:
    secrets = cluster.plane.read("secrets", "--namespace", "dropless", "--field-selector", "type!=helm.sh/release.v1")
    values = {
        value
        for each in secrets["items"]
        for name, value in each["data"].items()
        if name not in {"username", "rootUser"}
        and each["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") == "dropless"
    }
    assert len(values) > 8
    plain = {base64.b64decode(each).decode() for each in values}
    assert all(len(each) >= 20 for each in plain)
    objects = cluster.plane.kubectl(
        "get",
        "statefulsets,deployments,configmaps,kafkas,kafkaconnects,clusters.postgresql.cnpg.io,events",
        "--namespace",
        "dropless",
        "--output",
        "yaml",
    )
    told = cluster.run("render").stdout + cluster.run("values", "foundation").stdout + objects
    told += cluster.run("apply", "--only", "foundation", "--json").stderr
    assert not [each for each in plain | values if each in told]


def test_a_password_that_was_there_is_kept(cluster: Cluster) -> None:
    before = cluster.plane.read("secret", "minio-root", "--namespace", "dropless")["data"]
    cluster.plane.kubectl(
        "patch",
        "secret",
        "minio-root",
        "--namespace",
        "dropless",
        "--type=merge",
        "--patch",
        json.dumps({"stringData": {"rootPassword": "somebodys-own-password"}}),
    )
    # Something else of the same release changes, so that Helm does apply it.
    cluster.plane.kubectl("delete", "networkpolicy", "nobody", "--namespace", "dropless")
    (change,) = json.loads(cluster.run("apply", "--json").stdout)
    assert change["name"] == "foundation"
    after = cluster.plane.read("secret", "minio-root", "--namespace", "dropless")["data"]
    assert after["rootPassword"] != before["rootPassword"]
    assert after["rootUser"] == before["rootUser"]
    assert cluster.plan() == []
