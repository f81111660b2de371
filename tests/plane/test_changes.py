"""Drift, upgrades that fail, installers that die or meet: nothing is lost, and the reason is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import yaml
from conftest import WAIT_SECONDS, Cluster, until
from program import DROPLESS


def revision(cluster: Cluster, release: str) -> tuple[int, str]:
    """The last revision that Helm has of a release, and its state."""
    found = cluster.plane.read("secrets", "--namespace", "dropless", "-l", f"owner=helm,name={release}")["items"]
    labels = [each["metadata"]["labels"] for each in found]
    return max((int(each["version"]), each["status"]) for each in labels)


def too_large(cluster: Cluster) -> Path:
    """An installation whose ksqlDB finds no node that is large enough."""
    resources = {each: {"cpu": "2", "memory": "900Gi"} for each in ("requests", "limits")}
    return cluster.told(values={"ksqldb": {"resources": resources}})


def test_what_somebody_edited_is_planned_and_repaired(cluster: Cluster) -> None:
    plane = cluster.plane
    plane.kubectl("scale", "statefulset", "ksqldb", "--replicas=1", "--namespace", "dropless")
    plane.kubectl(
        "set", "env", "statefulset/ksqldb", "KSQL_KSQL_STREAMS_PROCESSING_GUARANTEE=at_least_once", "-n", "dropless"
    )
    patch = {"spec": {"kafka": {"config": {"min.insync.replicas": 1}}}}
    plane.kubectl("patch", "kafka", "kafka", "-n", "dropless", "--type=merge", "--patch", json.dumps(patch))
    plane.kubectl("delete", "poddisruptionbudget", "ksqldb", "-n", "dropless")
    plan = {each["name"]: each for each in cluster.plan(code=3)}
    assert plan.keys() == {"ksqldb", "kafka"}
    ksqldb = {each["path"]: (each["before"], each["after"]) for each in plan["ksqldb"]["properties"]}
    inside = "objects/StatefulSet.apps/dropless/ksqldb/spec"
    assert ksqldb[f"{inside}/replicas"] == (1, 2)
    guarantee = f"{inside}/template/spec/containers/ksqldb/env/KSQL_KSQL_STREAMS_PROCESSING_GUARANTEE/value"
    assert ksqldb[guarantee] == ("at_least_once", "exactly_once_v2")
    assert ksqldb["objects/PodDisruptionBudget.policy/dropless/ksqldb/spec/maxUnavailable"] == (None, 1)
    (kafka,) = plan["kafka"]["properties"]
    assert kafka["path"].endswith("spec/kafka/config/min.insync.replicas")
    cluster.run("apply")
    assert cluster.plan() == []
    assert plane.read("statefulset", "ksqldb", "-n", "dropless")["spec"]["replicas"] == 2


def test_what_others_added_is_left_alone(cluster: Cluster) -> None:
    cluster.plane.kubectl("label", "statefulset", "zookeeper", "team=orders", "-n", "dropless")
    assert cluster.plan("zookeeper") == []


def test_an_upgrade_that_fails_is_taken_back_and_says_why(cluster: Cluster) -> None:
    before = cluster.plane.read("statefulset", "ksqldb", "-n", "dropless")["spec"]
    wrong = too_large(cluster)
    done = cluster.run("apply", "--only", "ksqldb", "--minutes", "0.15", code=1, installation=wrong)
    said = " ".join(done.stderr.split())
    assert "Installing ksqldb failed" in said
    assert "pod ksqldb-1: Unschedulable" in said
    assert "Insufficient memory" in said
    assert cluster.plane.read("statefulset", "ksqldb", "-n", "dropless")["spec"] == before
    assert cluster.plan("ksqldb") == []


def test_a_quota_that_is_met_is_told(cluster: Cluster) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": "dropless"},
        "spec": {"hard": {"pods": "10"}},
    }
    cluster.plane.apply(yaml.safe_dump(quota))
    try:
        until(lambda: bool(cluster.plane.read("quota", "small", "-n", "dropless").get("status")))
        more = cluster.told(values={"ksqldb": {"replicas": 3}})
        done = cluster.run("apply", "--only", "ksqldb", "--minutes", "0.15", code=1, installation=more)
        assert "exceeded quota: small" in " ".join(done.stderr.split())
    finally:
        cluster.plane.kubectl("delete", "quota", "small", "-n", "dropless")
    cluster.run("apply", "--only", "ksqldb")
    assert cluster.plan("ksqldb") == []


def test_a_pod_that_is_less_than_restricted_is_refused_by_the_cluster(cluster: Cluster) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "loose", "namespace": "dropless"},
        "spec": {"containers": [{"name": "a", "image": "a:1"}]},
    }
    said = cluster.plane.kubectl("create", "--filename", "-", stdin=json.dumps(pod), check=False)
    assert 'violates PodSecurity "restricted' in said


def start(cluster: Cluster, installation: Path) -> subprocess.Popen[str]:
    command = cluster.command("apply", "--only", "ksqldb", installation=installation)
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a killed process leaves goes with the folder.
        env=cluster.environment | {"TMPDIR": str(cluster.folder)},
        start_new_session=True,
    )
    until(lambda: revision(cluster, "ksqldb")[1] == "pending-upgrade")
    return child


def test_an_installer_that_was_killed_is_gone_on_from(cluster: Cluster) -> None:
    child = start(cluster, too_large(cluster))
    family = [psutil.Process(child.pid), *_children(child.pid)]
    assert "helm" in {each.name() for each in family}
    for each in family:
        each.kill()
    child.communicate()
    assert revision(cluster, "ksqldb")[1] == "pending-upgrade"
    plan = {each["name"]: each for each in cluster.plan("ksqldb", code=3)}
    assert {"path": "state", "before": "pending-upgrade", "after": "deployed"} in plan["ksqldb"]["properties"]
    cluster.run("apply", "--only", "ksqldb")
    assert cluster.plan("ksqldb") == []
    assert revision(cluster, "ksqldb")[1] == "deployed"


def test_ctrl_c_takes_back_what_was_begun(cluster: Cluster) -> None:
    before = cluster.plane.read("statefulset", "ksqldb", "-n", "dropless")["spec"]
    child = start(cluster, too_large(cluster))
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=WAIT_SECONDS)
    assert child.returncode == 130
    assert not _children(child.pid)
    assert revision(cluster, "ksqldb")[1] != "pending-upgrade"
    cluster.run("apply", "--only", "ksqldb")
    assert cluster.plan("ksqldb") == []
    assert cluster.plane.read("statefulset", "ksqldb", "-n", "dropless")["spec"] == before


def test_two_installers_do_not_meet(cluster: Cluster) -> None:
    first = start(cluster, too_large(cluster))
    lease = ("lease", "dropless-installer", "-n", "dropless")
    holder = cluster.plane.read(*lease)["spec"]["holderIdentity"]
    told = cluster.folder / "second"
    with told.open("w") as file:
        command = cluster.command("apply", "--only", "ksqldb")
        second = subprocess.Popen(command, stdout=file, stderr=file, env=cluster.environment)
    until(lambda: f"ksqldb: waiting: {holder} is installing" in " ".join(told.read_text().split()))
    assert cluster.plane.read(*lease)["spec"]["holderIdentity"] == holder
    assert second.poll() is None
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=WAIT_SECONDS)
    assert second.wait(3 * WAIT_SECONDS) == 0, told.read_text()
    assert cluster.plan("ksqldb") == []


def test_an_operator_that_does_not_answer_is_told(cluster: Cluster) -> None:
    told = cluster.told(values={"kafka": {"connect": {"replicas": 3}}})
    kwok = cluster.plane.pid("kwok")
    os.kill(kwok, signal.SIGSTOP)
    try:
        done = cluster.run("apply", "--only", "kafka", "--minutes", "0.1", code=1, installation=told)
    finally:
        os.kill(kwok, signal.SIGCONT)
    said = " ".join(done.stderr.split())
    # Helm's own words: it waits for what has a generation and says which one it has seen.
    assert "dropless/kafka-connect not ready" in said or "KafkaConnect/dropless/kafka-connect" in said
    assert "but latest observed generation is" in said
    cluster.run("apply", "--only", "kafka")
    assert cluster.plan("kafka") == []


def test_what_would_be_removed_needs_to_be_allowed(cluster: Cluster) -> None:
    without = cluster.told(values={"foundation": {"provisioner": {"enabled": False}}})
    (change,) = cluster.plan("foundation", code=1, installation=without)
    assert change["destructive"]
    assert "Role.rbac.authorization.k8s.io/dropless/dagster" in change["refused"]
    done = cluster.run("apply", "--only", "foundation", code=1, installation=without)
    assert "would be removed" in " ".join(done.stderr.split())
    role = ("role", "dagster", "-n", "dropless")
    assert cluster.plane.read(*role)
    cluster.run("apply", "--only", "foundation", "--allow-destructive", installation=without)
    assert "NotFound" in cluster.plane.kubectl("get", *role, check=False)
    cluster.run("apply", "--only", "foundation")
    assert cluster.plane.read(*role)


def test_volumes_stay_whatever_is_allowed(cluster: Cluster) -> None:
    def claims() -> set[str]:
        found = cluster.plane.read("pvc", "-n", "dropless")["items"]
        return {each["metadata"]["name"] for each in found}

    before = claims()
    fewer = cluster.told(values={"ksqldb": {"replicas": 1}})
    cluster.run("apply", "--only", "ksqldb", "--allow-destructive", installation=fewer)
    assert claims() == before
    cluster.run("apply", "--only", "ksqldb")


def test_no_cluster_is_one_sentence(cluster: Cluster, tmp_path: Path) -> None:
    nowhere = yaml.safe_load(cluster.plane.kubeconfig.read_text())
    nowhere["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(nowhere))
    done = cluster.run("apply", "--only", "zookeeper", code=1, kubeconfig=tmp_path / "kubeconfig")
    assert "Traceback" not in done.stderr
    assert "https://127.0.0.1:1" in done.stderr


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def test_up_is_apply(cluster: Cluster) -> None:
    cluster.plane.kubectl("scale", "statefulset", "zookeeper", "--replicas=2", "--namespace", "dropless")
    where = ["--installation", str(cluster.file), "--kubeconfig", str(cluster.plane.kubeconfig)]
    command = [*DROPLESS, "up", "--platform", "kubernetes", "--json", *where, "--context", "plane"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=cluster.environment)
    (change,) = json.loads(done.stdout)
    assert change["name"] == "zookeeper"
    assert cluster.plan("zookeeper") == []


def test_what_is_for_kubernetes_is_refused_elsewhere() -> None:
    command = [*DROPLESS, "up", "--context", "staging"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "are for --platform kubernetes" in " ".join(done.stderr.split())
