"""Who reaches whom, who may do what: the arrows of the picture, Kafka's users, the provisioner's role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charts import (
    installed,
    one,
    pod_templates,
    with_workers,
)

from dropless.kubernetes import network
from dropless.kubernetes.installation import Installation


def test_kafka_is_spoken_to_encrypted_and_by_name() -> None:
    (listener,) = one(installed()["kafka"], "Kafka")["spec"]["kafka"]["listeners"]
    assert listener["tls"] is True
    assert listener["authentication"] == {"type": "scram-sha-512"}
    assert one(installed()["kafka"], "Kafka")["spec"]["kafka"]["authorization"] == {"type": "simple"}
    assert listener["networkPolicyPeers"] == network.kafka_clients(Installation())


def test_no_kafka_user_may_do_everything() -> None:
    users = [each for each in installed()["kafka"].manifests or () if each["kind"] == "KafkaUser"]
    assert {each["metadata"]["name"] for each in users} >= {"connect", "union", "lake", "ksqldb", "pinot", "rest-proxy"}
    for user in users:
        for acl in user["spec"]["authorization"]["acls"]:
            assert "All" not in acl["operations"]
            if acl["resource"].get("name") == "*":
                assert not {"Write", "Create", "Alter"} & set(acl["operations"])


def test_who_reads_does_not_write() -> None:
    for reader in ("lake", "pinot", "lenses"):
        acls = one(installed()["kafka"], "KafkaUser", reader)["spec"]["authorization"]["acls"]
        assert not any({"Write", "Create", "Alter", "Delete"} & set(each["operations"]) for each in acls)


def test_nobody_is_reached_but_by_an_arrow() -> None:
    policies = {
        each["metadata"]["name"]: each["spec"]
        for each in installed()["foundation"].manifests or ()
        if each["kind"] == "NetworkPolicy"
    }
    assert policies.pop("nobody") == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert policies.keys() == network.PODS.keys()
    for name, spec in policies.items():
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        # Every rule names who: an empty one would let everybody in.
        assert all(rule["from"] for rule in spec["ingress"]), name
    assert _may_reach(policies, "lake", "minio", 9000)
    assert _may_reach(policies, "minio-setup", "minio", 9000)
    assert not _may_reach(policies, "ksqldb", "minio", 9000)
    assert _may_reach(policies, "kafka-connect", "postgresql", 5432)
    assert not _may_reach(policies, "pinot", "postgresql", 5432)
    assert not _may_reach(policies, "zookeeper", "kafka", 9093)


def test_policies_choose_the_pods_that_are_rendered() -> None:
    for name, labels in network.PODS.items():
        of = {**installed(), **with_workers()}.get({"union": "pipeline", "lake": "pipeline"}.get(name, name))
        templates = [] if of is None else [each for manifest in of.manifests or () for each in pod_templates(manifest)]
        if name in {"zookeeper", "schema-registry", "rest-proxy", "ksqldb", "union", "lake"}:
            assert any(labels.items() <= each["metadata"]["labels"].items() for each in templates), name


def _may_reach(policies: Mapping[str, Any], source: str, target: str, port: int) -> bool:
    out = {"to": [{"podSelector": {"matchLabels": network.PODS[target]}}], "ports": [{"port": port, "protocol": "TCP"}]}
    into = {"from": [{"podSelector": {"matchLabels": network.PODS[source]}}], "ports": out["ports"]}
    return out in policies[source]["egress"] and into in policies[target]["ingress"]


def test_people_come_only_from_namespaces_that_are_named() -> None:
    policies = {
        each["metadata"]["name"]: each["spec"]
        for each in with_workers()["foundation"].manifests or ()
        if each["kind"] == "NetworkPolicy"
    }
    people = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "people"}}}]
    reached = {
        name for name, spec in policies.items() if any(rule.get("from") == people for rule in spec.get("ingress", []))
    }
    assert reached == {"pinot", "minio", "dagster", "lenses"}


def test_the_provisioners_role_is_small() -> None:
    rules = one(installed()["foundation"], "Role")["rules"]
    assert not any("*" in each[part] for each in rules for part in ("apiGroups", "resources", "verbs"))
    allowed = {(resource, verb) for each in rules for resource in each["resources"] for verb in each["verbs"]}
    assert not {each for each in allowed if each[0] in {"roles", "rolebindings", "pods/exec", "nodes", "namespaces"}}
    for kept in ("persistentvolumeclaims", "kafkas", "kafkanodepools", "clusters", "mongodbcommunity"):
        assert (kept, "delete") not in allowed


def test_nothing_but_the_foundation_gives_permissions() -> None:
    """Else the provisioner, which may give none, could not install it."""
    granting = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    found = {name for name, of in installed().items() if {each["kind"] for each in of.manifests or ()} & granting}
    assert found == {"foundation"}
    assert installed()["dagster"].values["rbacEnabled"] is False
    assert all(installed()[name].values["rbacEnable"] is False for name in ("lenses-hq", "lenses-agent"))


def test_the_provisioner_may_make_every_kind_that_our_charts_have() -> None:
    rules = one(installed()["foundation"], "Role")["rules"]
    may = {
        (group, resource)
        for each in rules
        for group in each["apiGroups"]
        for resource in each["resources"]
        if "create" in each["verbs"]
    }
    plural = {"NetworkPolicy": "networkpolicies", "MongoDBCommunity": "mongodbcommunity"}
    for name, of in {**installed(), **{f"worker {name}": each for name, each in with_workers().items()}}.items():
        if of.release.name == "foundation":
            continue
        for manifest in of.manifests or ():
            kind = manifest["kind"]
            group = manifest["apiVersion"].rpartition("/")[0]
            assert (group, plural.get(kind, f"{kind.lower()}s")) in may, f"{name}: {kind}"
