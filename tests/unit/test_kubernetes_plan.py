"""Rendered manifests against live ones: nothing to do when it is there, and each difference on its own path."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from charts import installed

from dropless.kubernetes import manifests
from dropless.kubernetes.manifests import Reference
from dropless.kubernetes.quantity import heap, parse, plain
from dropless.plan import Action, Plan, plan
from resources.helm import Deployed
from resources.kubernetes import desired, observe


class Remembered:
    """What an API server would answer: the objects as they were applied, with the defaults that it fills in."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        for rendered in installed().values():
            for manifest in rendered.manifests or ():
                which = manifests.reference(manifest, rendered.namespace)
                self.objects[which.id] = _defaulted(copy.deepcopy(dict(manifest)))

    def read(self, reference: Reference) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.objects.get(reference.id)
        return found


def _defaulted(manifest: dict[str, Any]) -> dict[str, Any]:
    manifest["metadata"] |= {"uid": "1", "resourceVersion": "7", "generation": 1, "managedFields": []}
    annotations = manifest["metadata"].get("annotations") or {}
    manifest["metadata"]["annotations"] = annotations | {"meta.helm.sh/release-name": "x"}
    manifest["status"] = {"replicas": 3}
    if manifest["kind"] == "StatefulSet":
        spec = manifest["spec"]
        spec |= {"revisionHistoryLimit": 10, "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain"}}
        for container in spec["template"]["spec"]["containers"]:
            container |= {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log"}
            # It writes quantities its own way, and variables in the order in which they came.
            for kind in container["resources"].values():
                kind["cpu"] = str(int(kind["cpu"]) * 1000) + "m"
            container["env"].reverse()
    if manifest["kind"] == "NetworkPolicy":
        # What is empty is left out.
        manifest["spec"] = {name: value for name, value in manifest["spec"].items() if value != []}
    return manifest


def planned(cluster: Remembered, *, helm: str | None = "deployed", before: tuple[Any, ...] = ()) -> Plan:
    """Of all releases, where Helm has them in a state, with objects of which charts no longer know."""
    wanted, found = [], {}
    for rendered in installed().values():
        release = desired(rendered)
        wanted.append(release)
        deployed = Deployed(helm, 1, (*(rendered.manifests or ()), *before)) if helm else None
        seen = observe(cluster, rendered, release, deployed)
        if seen:
            found[release.id] = seen
    return plan(wanted, found)


@pytest.fixture
def cluster() -> Remembered:
    return Remembered()


def test_nothing_is_to_do_when_everything_is_there(cluster: Remembered) -> None:
    assert planned(cluster).as_json() == []


def _compared(manifest: dict[str, Any], live: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Each difference of a public chart's object: its path below the object, what is there, and what is wanted."""
    (rendered,) = (replace(each, manifests=(manifest,)) for name, each in installed().items() if name == "zookeeper")
    wanted = desired(rendered)
    one = Remembered()
    one.objects = {manifests.reference(manifest, rendered.namespace).id: live}
    seen = observe(one, rendered, wanted, Deployed("deployed", 1, (manifest,)))
    assert seen is not None
    return [
        (each.path.partition(f"/{manifest['metadata']['name']}")[2], each.before, each.after)
        for change in plan([wanted], {wanted.id: seen}).changes
        for each in change.properties
    ]


# What Helm adds to each object, and the charts of Strimzi, MongoDB's operator and Pinot do not have.
LABELS = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "x"}}


def test_an_object_without_labels_is_no_difference_by_those_that_helm_adds() -> None:
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": {"a": 1}}
    assert _compared(budget, budget | {"metadata": {"name": "b", **LABELS}}) == []
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
    assert _compared(account, account | {"metadata": {"name": "a", **LABELS}}) == []


@pytest.mark.parametrize(
    ("wanted", "live"),
    [
        ({"env": [{"name": "GATES", "value": ""}]}, {"env": [{"name": "GATES"}]}),
        ({"args": []}, {}),
        ({"publishNotReadyAddresses": False}, {}),
        ({"probe": {"initialDelaySeconds": 0}}, {"probe": {}}),
    ],
)
def test_what_the_api_server_leaves_out_is_no_difference(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    assert _compared(service | {"spec": wanted}, service | {"spec": live}) == []


def test_a_no_that_would_be_yes_by_default_is_missed() -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
    wanted = account | {"automountServiceAccountToken": False}
    assert _compared(wanted, account) == [("/automountServiceAccountToken", None, False)]


def test_a_missing_object_is_a_difference_of_its_release(cluster: Remembered) -> None:
    del cluster.objects["KafkaNodePool.kafka.strimzi.io/dropless/brokers"]
    (change,) = planned(cluster).changes
    assert (change.action, change.desired.id) == (Action.UPDATE, "release:kafka")
    path = "objects/KafkaNodePool.kafka.strimzi.io/dropless/brokers/spec/replicas"
    assert (path, None, 3) in {
        (each.path, each.before, each.after) for each in change.properties if each.path.endswith("replicas")
    }


def test_a_release_of_which_nothing_is_there_is_created(cluster: Remembered) -> None:
    cluster.objects.clear()
    assert {each.action for each in planned(cluster, helm=None).changes} == {Action.CREATE}


def test_what_helm_did_not_finish_is_a_difference(cluster: Remembered) -> None:
    states = {
        each.path: each.before for change in planned(cluster, helm="failed").changes for each in change.properties
    }
    assert states == {"state": "failed"}


def test_what_a_chart_no_longer_has_is_told_while_it_is_there(cluster: Remembered) -> None:
    old = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old"}}
    assert planned(cluster, before=(old,)).empty
    cluster.objects["ConfigMap/dropless/old"] = old
    changes = planned(cluster, before=(old,)).changes
    assert ("zookeeper", [("beyond", ["ConfigMap/dropless/old"], [])]) in [
        (each.desired.name, [(one.path, one.before, one.after) for one in each.properties]) for each in changes
    ]


def test_each_difference_has_its_own_path(cluster: Remembered) -> None:
    ksqldb = cluster.objects["StatefulSet.apps/dropless/ksqldb"]["spec"]
    ksqldb["replicas"] = 1
    container = ksqldb["template"]["spec"]["containers"][0]
    container["resources"]["limits"]["memory"] = "4Gi"
    variable = next(each for each in container["env"] if each["name"].endswith("PROCESSING_GUARANTEE"))
    variable["value"] = "at_least_once"
    kafka = cluster.objects["Kafka.kafka.strimzi.io/dropless/kafka"]["spec"]["kafka"]
    kafka["config"]["min.insync.replicas"] = 1
    found = {each.path: (each.before, each.after) for change in planned(cluster).changes for each in change.properties}
    objects = "objects/StatefulSet.apps/dropless/ksqldb/spec"
    inside = f"{objects}/template/spec/containers/ksqldb"
    assert found == {
        f"{objects}/replicas": (1, 2),
        f"{inside}/resources/limits/memory": ("4294967296", "10737418240"),
        f"{inside}/env/KSQL_KSQL_STREAMS_PROCESSING_GUARANTEE/value": ("at_least_once", "exactly_once_v2"),
        "objects/Kafka.kafka.strimzi.io/dropless/kafka/spec/kafka/config/min.insync.replicas": ("1", "2"),
    }


def test_a_policy_that_was_narrowed_to_some_pods_is_a_difference(cluster: Remembered) -> None:
    cluster.objects["NetworkPolicy.networking.k8s.io/dropless/nobody"]["spec"]["podSelector"] = {
        "matchLabels": {"app": "none"}
    }
    (change,) = planned(cluster).changes
    assert {each.path.split("/spec/")[0] for each in change.properties} == {
        "objects/NetworkPolicy.networking.k8s.io/dropless/nobody"
    }


def test_what_others_added_is_left_alone(cluster: Remembered) -> None:
    ksqldb = cluster.objects["StatefulSet.apps/dropless/ksqldb"]
    ksqldb["metadata"]["labels"]["team"] = "orders"
    ksqldb["spec"]["template"]["spec"]["containers"].append({"name": "injected", "image": "proxy:1"})
    assert planned(cluster).empty


def test_passwords_are_neither_compared_nor_told(cluster: Remembered) -> None:
    secret = cluster.objects["Secret/dropless/minio-root"]
    secret["data"]["rootPassword"] = "YW5vdGhlcg=="
    assert planned(cluster).empty
    del cluster.objects["Secret/dropless/minio-root"], secret["data"]["rootPassword"]
    told = str(planned(cluster).as_json())
    assert "rootPassword" in told
    rendered = [each for each in installed()["foundation"].manifests or () if each["kind"] == "Secret"]
    random = {value for each in rendered for key, value in each["data"].items() if key not in {"username", "rootUser"}}
    assert not [each for each in random if each in told]
    everything = str([desired(each).properties for each in installed().values()])
    assert not [each for each in random if each in everything]


def test_hooks_are_no_part_of_what_is_installed() -> None:
    text = (
        "kind: Job\nmetadata: {name: a, annotations: {helm.sh/hook: test}}\n---\n---\nkind: Job\nmetadata: {name: b}\n"
    )
    assert [each["metadata"]["name"] for each in manifests.parse(text)] == ["b"]


def test_cluster_wide_kinds_have_no_namespace() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}}
    assert manifests.reference(role, "dropless").id == "ClusterRole.rbac.authorization.k8s.io/a"


@pytest.mark.parametrize(
    ("text", "same"), [("1", "1000m"), ("1Gi", "1024Mi"), ("0.5", "500m"), ("1Ti", "1024Gi"), ("1k", "1000")]
)
def test_two_ways_of_writing_a_quantity_are_one(text: str, same: str) -> None:
    assert plain(text) == plain(same)
    assert parse(text) == parse(same)


def test_what_is_no_quantity_stays() -> None:
    assert plain("a lot") == "a lot"
    with pytest.raises(ValueError, match="no quantity"):
        parse("2Gb")
    with pytest.raises(ValueError, match="no -Xmx"):
        heap("-Xms1g")
    assert heap("-Xms1g -Xmx2g -Xmx512m") == 512 * 1024**2
