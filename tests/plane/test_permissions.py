"""What Dagster's own account may do in the cluster: install the releases of its namespace, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from charts_of_others import real
from conftest import Cluster

from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import provisionable
from pipeline_assets.platform import ON_KUBERNETES, SYSTEMS

ACCOUNT = "system:serviceaccount:dropless:dagster"


@pytest.fixture
def as_dagster(cluster: Cluster, tmp_path: Path) -> Path:
    """A kubeconfig with the token of its account."""
    token = cluster.plane.kubectl("create", "token", "dagster", "--namespace", "dropless").strip()
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(cluster.plane.config({"token": token})))
    return path


def releases() -> list[str]:
    told = Installation()
    systems = [each.name for each in (*SYSTEMS, *ON_KUBERNETES)]
    return [each.name for system in systems for each in provisionable(told, system)]


@pytest.mark.parametrize("release", releases())
def test_it_sees_its_releases_as_they_should_be(cluster: Cluster, as_dagster: Path, release: str) -> None:
    done = cluster.run("plan", "--json", "--only", release, kubeconfig=as_dagster)
    assert done.stdout.strip() == "[]"


def test_it_repairs_a_release(cluster: Cluster, as_dagster: Path) -> None:
    cluster.plane.kubectl("scale", "statefulset", "zookeeper", "--replicas=2", "--namespace", "dropless")
    cluster.run("apply", "--only", "zookeeper", kubeconfig=as_dagster)
    assert cluster.plan() == []


@pytest.mark.parametrize(
    "asked",
    [
        "delete persistentvolumeclaims",
        "delete kafkas.kafka.strimzi.io",
        "delete clusters.postgresql.cnpg.io",
        "delete mongodbcommunity.mongodbcommunity.mongodb.com",
        "create pods/exec",
        "create clusterroles",
        "create rolebindings",
        "update customresourcedefinitions",
    ],
)
def test_it_may_not(cluster: Cluster, asked: str) -> None:
    verb, resource = asked.split()
    answer = cluster.plane.kubectl("auth", "can-i", verb, resource, "--as", ACCOUNT, "-n", "dropless", check=False)
    assert "no" in answer.splitlines()


@pytest.mark.parametrize("resource", ["secrets", "pods", "statefulsets"])
def test_it_reads_nothing_of_another_namespace(cluster: Cluster, resource: str) -> None:
    answer = cluster.plane.kubectl("auth", "can-i", "get", resource, "--as", ACCOUNT, "-n", "default", check=False)
    assert "no" in answer.splitlines()


def test_no_process_of_ours_has_a_token(cluster: Cluster) -> None:
    pods = cluster.plane.read("pods", "--namespace", "dropless")["items"]
    mounted = [
        each["metadata"]["name"]
        for each in pods
        for volume in each["spec"].get("volumes") or ()
        if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", ()))
    ]
    # The real charts of these leave no choice; their accounts are bound to no role.
    unable = tuple(name for name in ("minio", "pinot") if real(name))
    assert [each for each in mounted if not each.startswith(unable)] == []
    for account in cluster.plane.read("serviceaccounts", "--namespace", "dropless")["items"]:
        who = f"system:serviceaccount:dropless:{account['metadata']['name']}"
        if account["metadata"]["name"].startswith(unable):
            answer = cluster.plane.kubectl("auth", "can-i", "get", "pods", "--as", who, "-n", "dropless", check=False)
            assert "no" in answer.splitlines()
