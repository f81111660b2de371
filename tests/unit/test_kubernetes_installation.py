"""What an installation's file may say, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from charts import contracts, environment, one, rendered
from contracts import orders

from dropless.desired.kafka_connect import connectors
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.kubernetes import network, releases, secrets, values
from dropless.kubernetes.addresses import addresses
from dropless.kubernetes.generated import endpoints
from dropless.kubernetes.installation import SYSTEMS, Installation
from dropless.settings import Settings, Topology

EXTERNAL: dict[str, dict[str, str]] = {
    "zookeeper": {"address": "zk.example:2181"},
    "kafka": {"address": "kafka.example:9094", "mechanism": "PLAIN", "ca_secret": "their-ca"},
    "kafka-connect": {"address": "https://connect.example"},
    "schema-registry": {"address": "https://registry.example"},
    "rest-proxy": {"address": "https://rest.example"},
    "ksqldb": {"address": "https://ksqldb.example"},
    "postgresql": {"address": "pg.example:5433"},
    "mongodb": {"address": "mongo.example:27017"},
    "pinot": {"address": "https://controller.example", "broker": "https://broker.example"},
    "minio": {"address": "https://s3.example", "region": "eu-central-1"},
    "lenses": {"address": "https://lenses.example"},
    "dagster": {"address": "https://dagster.example"},
}
# What is left out when a system is somebody else's.
LEFT_OUT = {
    "zookeeper": {"zookeeper"},
    "kafka": set(),
    "kafka-connect": set(),
    "schema-registry": {"schema-registry"},
    "rest-proxy": {"rest-proxy"},
    "ksqldb": {"ksqldb"},
    "postgresql": {"postgresql", "postgresql-operator"},
    "mongodb": {"mongodb", "mongodb-operator"},
    "pinot": {"pinot"},
    "minio": {"minio"},
    "lenses": {"lenses-hq", "lenses-agent"},
    "dagster": {"dagster"},
}


def external(*systems: str) -> Installation:
    return Installation.model_validate({"external": {system: EXTERNAL[system] for system in systems}})


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_external_system_is_left_out(system: str) -> None:
    installation = external(system)
    names = {each.name for each in releases.releases(installation)}
    assert {each.name for each in releases.RELEASES} - names == LEFT_OUT[system]
    assert system not in {each["name"] for each in network.policies(installation)}
    prefix = f"{system}-"
    assert not [each for each in secrets.secrets(installation) if each["name"].startswith(prefix)]


@pytest.mark.parametrize("system", sorted(set(SYSTEMS) - {"lenses"}))
def test_whoever_calls_an_external_system_is_told_its_address(system: str) -> None:
    address = EXTERNAL[system]["address"]
    assert address.split("://")[-1].split(":")[0] in repr(addresses(external(system)))
    told = str(endpoints(addresses(external(system))))
    if system not in {"rest-proxy", "ksqldb"}:
        assert address.split("://")[-1].split(":")[0] in told


def test_with_external_kafka_connect_stays_and_brokers_go() -> None:
    of = rendered(external("kafka"), "kafka", "ksqldb")
    (connect,) = of["kafka"].manifests or ()
    spec = connect["spec"]
    assert connect["kind"] == "KafkaConnect"
    assert spec["bootstrapServers"] == "kafka.example:9094"
    assert spec["authentication"]["type"] == "plain"
    assert spec["tls"]["trustedCertificates"] == [{"secretName": "their-ca", "pattern": "*.crt"}]
    variables = environment(one(of["ksqldb"], "StatefulSet")["spec"]["template"])
    assert variables["KSQL_BOOTSTRAP_SERVERS"] == "kafka.example:9094"
    assert variables["KSQL_SASL_MECHANISM"] == "PLAIN"
    kafka = next(each for each in releases.RELEASES if each.name == "kafka")
    assert [each.name for each in releases.awaited(kafka, external("kafka"))] == ["kafka-connect"]


def test_with_external_connect_the_brokers_stay() -> None:
    of = rendered(external("kafka-connect"), "kafka")
    kinds = {each["kind"] for each in of["kafka"].manifests or ()}
    assert kinds == {"Kafka", "KafkaNodePool", "KafkaUser"}


def test_kafka_without_a_private_authority_needs_no_certificate() -> None:
    told = {"kafka": {"address": "kafka.example:9094"}}
    of = rendered(Installation.model_validate({"external": told}), "kafka", "ksqldb", "pipeline")
    (connect,) = of["kafka"].manifests or ()
    assert connect["spec"]["tls"] == {"trustedCertificates": []}
    template = one(of["ksqldb"], "StatefulSet")["spec"]["template"]
    assert "KSQL_SSL_TRUSTSTORE_LOCATION" not in environment(template)
    assert "volumes" not in template["spec"]


def test_egress_to_an_external_system_is_open() -> None:
    policies = {each["name"]: each for each in network.policies(external("minio"))}
    outside = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]}
    assert outside in policies["lake"]["egress"]
    assert outside not in policies["ksqldb"]["egress"]


def test_egress_to_sources_on_other_servers_is_open() -> None:
    outside = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]}
    near = {each["name"]: each for each in network.policies(Installation())}
    far = {each["name"]: each for each in network.policies(Installation(), sources_outside=True)}
    assert {name for name in far if outside in far[name]["egress"]} == {"kafka-connect", "dagster"}
    assert not [name for name in near if outside in near[name]["egress"]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("namespace: [", "cannot be read"),
        ("- a", "must be an object"),
        ("external: {kafak: {address: 'a:1'}}", "external.kafak"),
        ("external: {ksqldb: {address: 'http://a', region: x}}", "external.ksqldb has no `region`; only minio has one"),
        ("external: {pinot: {address: 'http://a'}}", "needs `broker`"),
        ('external: {kafka: {address: "a:1\\nevil"}}', "external.kafka.address"),
        ("namespace: Not_A_Name", "namespace"),
        ("siez: laptop", "siez: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "installation.yaml"
    file.write_text(text)
    with pytest.raises(DroplessError, match=sentence) as raised:
        Installation.load(file)
    assert "evil" not in str(raised.value)


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    file = tmp_path / "installation.yaml"
    file.write_text("")
    assert Installation.load(file) == Installation()


def test_values_are_passed_on_to_a_chart() -> None:
    told = {"values": {"zookeeper": {"replicas": 5}}, "storage_class": "fast"}
    of = rendered(Installation.model_validate(told), "zookeeper", "kafka")
    spec = one(of["zookeeper"], "StatefulSet")["spec"]
    assert spec["replicas"] == 5
    assert {each["spec"]["storageClassName"] for each in spec["volumeClaimTemplates"]} == {"fast"}
    variables = environment(spec["template"])
    assert len(variables["ZOO_SERVERS"].split()) == 5
    pools = [each for each in of["kafka"].manifests or () if each["kind"] == "KafkaNodePool"]
    assert {volume["class"] for pool in pools for volume in pool["spec"]["storage"]["volumes"]} == {"fast"}


def test_values_for_no_release_are_refused() -> None:
    installation = Installation.model_validate({"values": {"zookeper": {}}})
    with pytest.raises(DroplessError, match="no release 'zookeper'"):
        values.values(releases.RELEASES[0], installation, contracts())


def test_a_release_follows_what_it_needs() -> None:
    order = [each.name for each in releases.RELEASES]
    for before, after in (
        ("foundation", "zookeeper"),
        ("strimzi-operator", "kafka"),
        ("postgresql-operator", "postgresql"),
        ("mongodb-operator", "mongodb"),
        ("kafka", "schema-registry"),
        ("schema-registry", "ksqldb"),
        ("zookeeper", "pinot"),
        ("minio", "pinot"),
        ("postgresql", "dagster"),
        ("postgresql", "lenses-hq"),
        ("lenses-hq", "lenses-agent"),
    ):
        assert order.index(before) < order.index(after)


def test_every_choice_of_a_chart_has_a_reason_and_a_version() -> None:
    for release in releases.RELEASES:
        assert release.why
        assert release.version[0].isdigit()
        assert release.ours or release.repository.startswith("https://")
        assert release.ours or release.pods, release.name


def _settings(folder: Path) -> Settings:
    return Settings(folder, folder, folder, 17000, Topology.COMPACT)


def _file(folder: Path, monkeypatch: pytest.MonkeyPatch, told: Mapping[str, Any]) -> None:
    file = folder / "endpoints.json"
    file.write_text(json.dumps({**told, "secrets": str(folder)}))
    monkeypatch.setenv("DROPLESS_ENDPOINTS", str(file))


def test_our_processes_read_the_endpoints_that_the_chart_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(tmp_path, monkeypatch, endpoints(addresses(Installation())))
    (tmp_path / "kafka_password").write_text("kept\n")
    monkeypatch.setenv("DROPLESS_KAFKA_USER", "union")
    read = Endpoints.load(_settings(tmp_path))
    assert read.kafka == "kafka-kafka-bootstrap.dropless.svc:9093"
    assert read.kafka_connect == ("http://kafka-connect-connect-api.dropless.svc:8083",)
    assert (read.postgresql_host, read.postgresql_port) == ("postgresql-rw.dropless.svc", 5432)
    assert dict(read.kafka_security) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "ssl.ca.location": "/etc/dropless/secrets/kafka_ca.crt",
        "sasl.username": "union",
        "sasl.password": "kept",
    }


def test_connectors_take_their_passwords_from_files_that_connects_pods_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(tmp_path, monkeypatch, endpoints(addresses(Installation())))
    (tmp_path / "kafka_password").write_text("kept\n")
    monkeypatch.setenv("DROPLESS_KAFKA_USER", "dagster")
    made = {each.name: each.properties["config"] for each in connectors(orders(), Endpoints.load(_settings(tmp_path)))}
    store, marketplace = made["orders.store"], made["orders.marketplace"]
    assert store["database.password"] == "${dir:/mnt/credentials/postgresql-replication:password}"
    assert marketplace["mongodb.password"] == "${dir:/mnt/credentials/mongodb-replication:password}"


def test_without_a_file_the_endpoints_are_this_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DROPLESS_ENDPOINTS", raising=False)
    assert Endpoints.load(_settings(tmp_path)) == Endpoints.local(_settings(tmp_path))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"kafak": "x"}, "there is no 'kafak'"), ({}, "DROPLESS_KAFKA_USER, the name of Kafka's user, is not set")],
)
def test_endpoints_that_cannot_be_used_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], sentence: str
) -> None:
    monkeypatch.delenv("DROPLESS_KAFKA_USER", raising=False)
    _file(tmp_path, monkeypatch, endpoints(addresses(Installation())) | change)
    with pytest.raises(DroplessError, match=sentence):
        Endpoints.load(_settings(tmp_path))


@pytest.mark.parametrize("size", ["seed", "laptop"])
def test_every_pinot_server_there_is_keeps_every_row(size: str) -> None:
    told = Installation.model_validate({"size": size})
    release = next(each for each in releases.RELEASES if each.name == "pinot")
    servers = values.at(values.values(release, told, contracts()), "server.replicaCount")
    assert endpoints(addresses(told))["pinot_replicas"] == servers


def test_the_pinot_that_tables_are_written_for_is_the_one_that_is_installed() -> None:
    release = next(each for each in releases.RELEASES if each.name == "pinot")
    tag = values.at(values.values(release, Installation(), contracts()), "image.tag")
    assert endpoints(addresses(Installation()))["pinot_version"] == tag
