"""What each of our charts must hold, whatever is installed: safe pods, spread apart, reached by few, and no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from charts import OUR_CHARTS, Manifest, contracts, helm, installed, manifests, one, pod_templates, rendered

from dropless.errors import DroplessError
from dropless.kubernetes import network, secrets, values
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import RELEASES
from dropless.kubernetes.values import CHARTS, FOLDER

KUBERNETES = "1.36"
WORKER = Installation.model_validate(
    {"union": {"engine": "worker", "replicas": 2, "autoscaling": {"enabled": True}}, "visitors": ["people"]}
)
# Their schemas are not the API server's own.
CUSTOM = ("kafka.strimzi.io", "postgresql.cnpg.io", "mongodbcommunity.mongodb.com", "keda.sh")


def everything() -> Iterator[tuple[str, Manifest]]:
    """Each object that anybody might install, with where it comes from."""
    for size in ("seed", "laptop"):
        for manifest in manifests(installed(size)):
            yield f"{size} {manifest['kind']} {manifest['metadata']['name']}", manifest
    for manifest in manifests(_worker()):
        yield f"worker {manifest['kind']} {manifest['metadata']['name']}", manifest


def _worker() -> dict[str, Any]:
    if not _WORKER:
        _WORKER.update(rendered(WORKER, "pipeline", "foundation", "kafka"))
    return _WORKER


_WORKER: dict[str, Any] = {}


def test_everything_is_valid_to_the_api_servers_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    # It reads a megabyte of schemas for each object otherwise.
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
    seen = set()
    for where, manifest in everything():
        if manifest["apiVersion"].startswith(CUSTOM):
            continue
        text = json.dumps({**manifest, "data": None} if manifest["kind"] == "Secret" else manifest, sort_keys=True)
        if text not in seen:
            seen.add(text)
            try:
                kubernetes_validate.validate(dict(manifest), KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{where}: {error.message}")


def test_a_misspelt_field_is_found() -> None:
    manifest = json.loads(json.dumps(one(installed()["zookeeper"], "StatefulSet")))
    manifest["spec"]["servicName"] = manifest["spec"].pop("serviceName")
    with pytest.raises(kubernetes_validate.ValidationError, match="servic"):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


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


def test_kafka_is_spoken_to_encrypted_and_by_name() -> None:
    (listener,) = one(installed()["kafka"], "Kafka")["spec"]["kafka"]["listeners"]
    assert listener["tls"] is True
    assert listener["authentication"] == {"type": "scram-sha-512"}
    assert one(installed()["kafka"], "Kafka")["spec"]["kafka"]["authorization"] == {"type": "simple"}
    assert listener["networkPolicyPeers"] == network.kafka_clients(Installation())


def test_volumes_outlive_what_used_them() -> None:
    for where, manifest in everything():
        if manifest["kind"] == "KafkaNodePool":
            assert all(each["deleteClaim"] is False for each in manifest["spec"]["storage"]["volumes"]), where
        if manifest["kind"] == "Database":
            assert manifest["spec"]["databaseReclaimPolicy"] == "retain", where
        assert "persistentVolumeClaimRetentionPolicy" not in manifest.get("spec", {}), where


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


def test_secrets_are_made_here_and_named_everywhere_else() -> None:
    made = {each["name"] for each in secrets.secrets(Installation())}
    # Strimzi makes these; and one is made by whoever has the licence.
    others = ("kafka-user-", "kafka-cluster-ca-cert", "lenses-licence")
    for name, release in installed().items():
        for secret in _referenced({"values": release.values, "manifests": release.manifests}):
            assert secret in made or secret.startswith(others), f"{name}: {secret}"


def _referenced(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key in {"secretName", "passwordSecret", "existingSecret", "userSecret", "caSecret"} and value:
                yield from [value] if isinstance(value, str) else _referenced(value)
            elif (
                key in {"secretKeyRef", "secret", "passwordSecretRef"}
                and isinstance(value, Mapping)
                and "name" in value
            ):
                yield value["name"]
            else:
                yield from _referenced(value)
    elif isinstance(tree, list | tuple):
        for each in tree:
            yield from _referenced(each)


def test_nothing_secret_is_in_any_value_or_manifest() -> None:
    """Every password of a rendering is one of its Secrets' random ones, so those are looked for everywhere else."""
    for size in ("seed", "laptop"):
        of = installed(size)
        made = [each for each in manifests(of) if each["kind"] == "Secret"]
        encoded = {value for each in made for key, value in each["data"].items() if key not in {"username", "rootUser"}}
        assert len(encoded) >= 12
        rest = [each for each in manifests(of) if each["kind"] != "Secret"]
        text = yaml.safe_dump([rest, [dict(each.values) for each in of.values()]])
        assert not [each for each in encoded if each in text]


def test_no_value_looks_like_a_password() -> None:
    for name, release in installed().items():
        for path, value in _leaves(release.values):
            last = path.rsplit("/", 1)[-1].lower()
            if isinstance(value, str) and any(word in last for word in ("password", "secretkey", "jaas", "token")):
                # A Secret's name or key, or a variable that is taken from one.
                known = value in {"secretKey", "licence", "password", "pipeline"}
                assert known or value.startswith("${") or "-" in value, f"{name}: {path}"


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}/{key}")
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _leaves(value, f"{path}/{number}")
    else:
        yield path, tree


def test_passwords_are_random_and_kept() -> None:
    release = next(each for each in RELEASES if each.name == "foundation")
    told = values.values(release, Installation(), contracts())
    texts = [helm().template(release, "dropless", told) for _ in range(2)]
    first, second = (
        {each["metadata"]["name"]: each for each in yaml.safe_load_all(text) if each and each["kind"] == "Secret"}
        for text in texts
    )
    assert first.keys() == second.keys()
    for name, secret in first.items():
        assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        for key, value in secret["data"].items():
            if key not in {"username", "rootUser"}:
                assert value != second[name]["data"][key]
                assert len(value) >= 40
    dagster = first["postgresql-dagster"]["data"]
    assert dagster["postgresql-password"] == dagster["password"]


def test_nobody_is_reached_but_by_an_arrow() -> None:
    policies = {
        each["metadata"]["name"]: each["spec"]
        for each in installed()["foundation"].manifests or ()
        if each["kind"] == "NetworkPolicy"
    }
    assert policies.pop("nobody") == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert policies.keys() == network.PODS.keys() - {"union"}
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
        of = {**installed(), **_worker()}.get({"union": "pipeline", "lake": "pipeline"}.get(name, name))
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
        for each in _worker()["foundation"].manifests or ()
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


def test_workers_have_their_slots_and_the_lake_one_writer() -> None:
    of = _worker()["pipeline"]
    worker = one(of, "StatefulSet", "union-worker-orders")
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    slot = next(each for each in container["env"] if each["name"] == "SLOT")
    assert slot["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['apps.kubernetes.io/pod-index']"
    assert container["args"][-2:] == ["--slot", "$(SLOT)"]
    assert "replicas" not in worker["spec"]
    assert one(of, "ScaledObject")["spec"]["minReplicaCount"] == 2
    lake = one(of, "Deployment", "lake-writer-orders")["spec"]
    assert (lake["replicas"], lake["strategy"]) == (1, {"type": "Recreate"})
    # With ksqlDB there are no workers of ours.
    assert not [each for each in installed()["pipeline"].manifests or () if each["kind"] == "StatefulSet"]


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


@pytest.mark.parametrize("chart", OUR_CHARTS)
def test_every_chart_has_a_schema_that_refuses_a_misspelt_value(chart: str) -> None:
    schema = json.loads((CHARTS / chart / "values.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    release = next(each for each in RELEASES if each.name == chart)
    told = values.values(release, Installation(), contracts())
    with pytest.raises(DroplessError, match="additional properties 'replcias' not allowed"):
        helm().template(release, "dropless", told | {"replcias": 5})


def test_what_a_chart_refuses_is_said_in_a_sentence() -> None:
    release = next(each for each in RELEASES if each.name == "zookeeper")
    told = values.values(release, Installation(), contracts())
    with pytest.raises(DroplessError, match=r"^Rendering zookeeper failed: values don't meet .*replicas"):
        helm().template(release, "dropless", told | {"replicas": 2})


def test_every_release_has_its_values_and_no_values_are_left_over() -> None:
    names = {each.name for each in RELEASES}
    assert {each.stem for each in FOLDER.glob("*.yaml")} == names
    assert {each.stem for each in (FOLDER / "laptop").glob("*.yaml")} <= names
    assert {each.name for each in CHARTS.iterdir() if each.is_dir()} == set(OUR_CHARTS) | {"common"}
