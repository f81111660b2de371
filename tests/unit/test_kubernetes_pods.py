"""Every pod that anybody might install: restricted, sized, pinned, spread apart, and not all away at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from charts import (
    contracts,
    everything,
    helm,
    installed,
    one,
    pod_templates,
    rendered,
    with_workers,
)
from contracts import SENSORS, contract

from dropless.kubernetes import values
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import RELEASES, releases
from resources.helm import render


def test_every_pod_is_restricted() -> None:
    for where, manifest in everything():
        for template in pod_templates(manifest):
            pod = template["spec"]["securityContext"]
            assert pod["runAsNonRoot"] is True, where
            assert pod["runAsUser"] >= 1000, where
            assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, where
            assert template["spec"]["automountServiceAccountToken"] is False, where
            assert "hostPath" not in json.dumps(template), where
            for container in template["spec"]["containers"]:
                _restricted(where, container["securityContext"])


def test_every_pod_of_an_operator_is_restricted() -> None:
    for where, manifest in everything():
        spec = manifest.get("spec", {})
        if manifest["kind"] in {"KafkaNodePool", "KafkaConnect"}:
            template = spec["template"]
            assert template["pod"]["securityContext"]["runAsNonRoot"] is True, where
            container = template.get("kafkaContainer") or template["connectContainer"]
            _restricted(where, container["securityContext"])
        if manifest["kind"] == "MongoDBCommunity":
            template = spec["statefulSet"]["spec"]["template"]["spec"]
            assert template["securityContext"]["runAsNonRoot"] is True, where
            for container in template["containers"]:
                _restricted(where, container["securityContext"])


def _restricted(where: str, context: Mapping[str, Any]) -> None:
    assert context["allowPrivilegeEscalation"] is False, where
    assert context["capabilities"] == {"drop": ["ALL"]}, where
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}, where


def test_every_container_says_what_it_needs() -> None:
    for where, manifest in everything():
        for template in pod_templates(manifest):
            for container in template["spec"]["containers"]:
                for kind in ("requests", "limits"):
                    assert container["resources"][kind].keys() == {"cpu", "memory"}, where


def test_every_image_is_pinned() -> None:
    for where, manifest in everything():
        for template in pod_templates(manifest):
            for container in template["spec"]["containers"]:
                if not container["image"].startswith("registry.invalid/"):
                    assert ":" in container["image"], where
                    assert not container["image"].endswith(":latest"), where


@pytest.mark.parametrize("release", ["zookeeper", "schema-registry", "rest-proxy", "ksqldb"])
def test_no_two_pods_of_a_system_share_a_node_or_leave_at_once(release: str) -> None:
    of = installed()[release]
    (template,) = [template for manifest in of.manifests or () for template in pod_templates(manifest)]
    (term,) = template["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (spread,) = template["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    budget = one(of, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize("pool", ["brokers", "controllers"])
def test_no_two_nodes_of_kafka_share_a_node(pool: str) -> None:
    pod = one(installed()["kafka"], "KafkaNodePool", pool)["spec"]["template"]["pod"]
    (term,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"] == {"strimzi.io/name": "kafka-kafka", "strimzi.io/pool-name": pool}


def test_two_brokers_stay_when_a_node_is_drained() -> None:
    kafka = one(installed()["kafka"], "Kafka")["spec"]["kafka"]
    assert kafka["template"]["podDisruptionBudget"] == {"maxUnavailable": 1}
    assert kafka["rack"] == {"type": "topology-label", "topologyKey": "topology.kubernetes.io/zone"}


def test_a_lone_database_may_leave_its_node() -> None:
    assert one(installed()["postgresql"], "Cluster")["spec"]["enablePDB"] is False
    more = Installation.model_validate({"values": {"postgresql": {"instances": 3}}})
    assert one(rendered(more, "postgresql")["postgresql"], "Cluster")["spec"]["enablePDB"] is True


def test_volumes_outlive_what_used_them() -> None:
    for where, manifest in everything():
        if manifest["kind"] == "KafkaNodePool":
            assert all(each["deleteClaim"] is False for each in manifest["spec"]["storage"]["volumes"]), where
        if manifest["kind"] == "Database":
            assert manifest["spec"]["databaseReclaimPolicy"] == "retain", where
        assert "persistentVolumeClaimRetentionPolicy" not in manifest.get("spec", {}), where


def test_workers_have_their_slots_and_the_lake_one_writer() -> None:
    of = with_workers()["pipeline"]
    worker = one(of, "StatefulSet", "union-worker-orders")
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    slot = next(each for each in container["env"] if each["name"] == "SLOT")
    assert slot["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['apps.kubernetes.io/pod-index']"
    assert container["args"][-2:] == ["--slot", "$(SLOT)"]
    assert "replicas" not in worker["spec"]
    assert one(of, "ScaledObject")["spec"]["minReplicaCount"] == 2
    lake = one(of, "Deployment", "lake-writer-orders")["spec"]
    assert (lake["replicas"], lake["strategy"]) == (1, {"type": "Recreate"})


def test_ksqldb_unites_what_it_can_and_workers_the_rest() -> None:
    installation, tables = Installation(), [*contracts(), contract(SENSORS)]
    release = [each for each in releases(installation) if each.name == "pipeline"]
    (of,) = render(helm(), release, installation, tables)
    workers = [each["metadata"]["name"] for each in of.manifests or () if each["kind"] == "StatefulSet"]
    # `orders` has a column that is JSON.
    assert workers == ["union-worker-orders"]
    lakes = [each["metadata"]["name"] for each in of.manifests or () if each["kind"] == "Deployment"]
    assert lakes == ["lake-writer-orders", "lake-writer-readings"]


def test_another_contract_is_another_pod() -> None:
    def annotation(*, note: str) -> str:
        release = next(each for each in RELEASES if each.name == "pipeline")
        told = values.values(release, Installation(), contracts())
        told["tables"]["orders"] += note
        found = [each for each in yaml.safe_load_all(helm().template(release, "dropless", told)) if each]
        (lake,) = [each for each in found if each["kind"] == "Deployment"]
        return str(lake["spec"]["template"]["metadata"]["annotations"]["dropless/contract"])

    assert annotation(note="") == annotation(note="")
    assert annotation(note="") != annotation(note=" ")
