"""What of a release's values follows from the installation and the contracts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from dropless.contract import Contract
from dropless.declared import written
from dropless.desired import storage
from dropless.desired.servers import MONGODB_SECRET, POSTGRESQL_SECRET
from dropless.kubernetes import access, engines, network, secrets
from dropless.kubernetes.addresses import Addresses, addresses
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.public import dagster, lenses, operators, pinot

Json = dict[str, Any]

# 3.6.x loses rows when a worker is killed (debezium/dbz#1554): never older than 3.7.1.
DEBEZIUM: Final = "3.7.1.Final"
# As `helm_values/pinot.yaml` pins its image; an external one must be 1.4 or later, too.
PINOT: Final = "1.5.1"
CREDENTIALS: Final = {POSTGRESQL_SECRET: "postgresql-replication", MONGODB_SECRET: "mongodb-replication"}
"""By the name of a password's file: the Secret whose keys Connect's pods see as files."""


def values(release: str, installation: Installation, contracts: Sequence[Contract]) -> Json:
    """The generated part of a release's values."""
    make = _MADE.get(release)
    return make(installation, contracts, addresses(installation)) if make else {}


def _foundation(installation: Installation, contracts: Sequence[Contract], at: Addresses) -> Json:
    sources = [source.postgresql or source.mongodb for contract in contracts for source in contract.sources]
    outside = any(each is not None and each.uri_env is not None for each in sources)
    return {
        "policies": network.policies(installation, sources_outside=outside),
        "secrets": secrets.secrets(installation),
        "installation": {
            "name": dagster.INSTALLATION,
            "endpoints": endpoints(at, engines.on_ksqldb(installation, contracts)),
            "told": installation.model_dump(mode="json", exclude_unset=True),
        },
    }


def _kafka(installation: Installation, _contracts: Sequence[Contract], at: Addresses) -> Json:
    cluster = installation.ours("kafka")
    return {
        "cluster": {"enabled": cluster},
        "clients": network.kafka_clients(installation),
        "users": access.users() if cluster else [],
        "brokers": {"storage": {"storageClass": installation.storage_class}},
        "controllers": {"storage": {"storageClass": installation.storage_class}},
        "connect": {
            "enabled": installation.ours("kafka-connect"),
            "kafka": at.kafka.client("connect"),
            "credentials": list(CREDENTIALS.values()),
            "build": {
                "image": f"{installation.registry}/kafka-connect:debezium-{DEBEZIUM}",
                "plugins": [
                    {
                        "name": f"debezium-{database}",
                        "group": "io.debezium",
                        "artifact": f"debezium-connector-{database}",
                        "version": DEBEZIUM,
                    }
                    for database in ("postgres", "mongodb")
                ],
            },
        },
    }


def _zookeeper(installation: Installation, _contracts: Sequence[Contract], _at: Addresses) -> Json:
    return {"storage": {"storageClass": installation.storage_class}}


def _registry(_installation: Installation, _contracts: Sequence[Contract], at: Addresses) -> Json:
    return {"kafka": at.kafka.client("schema-registry")}


def _rest_proxy(_installation: Installation, _contracts: Sequence[Contract], at: Addresses) -> Json:
    return {"kafka": at.kafka.client("rest-proxy"), "schemaRegistry": {"url": at.schema_registry}}


def _ksqldb(installation: Installation, _contracts: Sequence[Contract], at: Addresses) -> Json:
    return {
        "serviceId": access.KSQLDB_SERVICE,
        "kafka": at.kafka.client("ksqldb"),
        "schemaRegistry": {"url": at.schema_registry},
        "storage": {"storageClass": installation.storage_class},
    }


def _postgresql(installation: Installation, contracts: Sequence[Contract], _at: Addresses) -> Json:
    tables = [source.postgresql for contract in contracts for source in contract.sources if source.postgresql]
    sources = sorted({table.database for table in tables if table.uri_env is None})
    owners = dict.fromkeys(sources, secrets.APPLICATION_USER) | {"dagster": "dagster", "lenses": "lenses"}
    return {
        "roles": [
            {"name": secrets.REPLICATION_USER, "passwordSecret": "postgresql-replication", "replication": True},
            {"name": secrets.APPLICATION_USER, "passwordSecret": "postgresql-application"},
            {"name": "dagster", "passwordSecret": "postgresql-dagster"},
            {"name": "lenses", "passwordSecret": "postgresql-lenses"},
        ],
        "databases": [{"name": name, "owner": owner} for name, owner in owners.items()],
        "storage": {"storageClass": installation.storage_class},
    }


def _mongodb(installation: Installation, contracts: Sequence[Contract], _at: Addresses) -> Json:
    collections = [source.mongodb for contract in contracts for source in contract.sources if source.mongodb]
    sources = sorted({each.database for each in collections if each.uri_env is None})
    reads = [{"db": name, "name": "read"} for name in sources]
    writes = [{"db": name, "name": "readWrite"} for name in sources]
    return {
        "users": [
            {"name": "admin", "passwordSecret": "mongodb-admin", "roles": [{"db": "admin", "name": "root"}]},
            {"name": secrets.REPLICATION_USER, "passwordSecret": "mongodb-replication", "roles": reads},
            {"name": secrets.APPLICATION_USER, "passwordSecret": "mongodb-application", "roles": writes},
        ],
        "storage": {"storageClass": installation.storage_class},
    }


def _minio(installation: Installation, _contracts: Sequence[Contract], _at: Addresses) -> Json:
    users = storage.s3_users()
    return {
        "existingSecret": "minio-root",
        "persistence": {"storageClass": installation.storage_class},
        "buckets": [{"name": each.name, "policy": "none", "purge": False} for each in storage.buckets()],
        "policies": [{"name": each.name, "statements": _statements(each.properties["policy"])} for each in users],
        "users": [
            {
                "accessKey": each.name,
                "existingSecret": str(each.hints["secret"]).replace("_", "-"),
                "existingSecretKey": "secretKey",
                "policy": each.name,
            }
            for each in users
        ],
        "networkPolicy": {"enabled": False},
    }


def _statements(policy: Json) -> list[Json]:
    return [
        {"effect": each["Effect"], "resources": each["Resource"], "actions": each["Action"]}
        for each in policy["Statement"]
    ]


def _pipeline(installation: Installation, contracts: Sequence[Contract], at: Addresses) -> Json:
    union = installation.union
    queried = engines.on_ksqldb(installation, contracts)
    return {
        "image": {"repository": f"{installation.registry}/dropless", "tag": installation.tag},
        "tables": {contract.name: written(contract) for contract in contracts},
        "union": {
            "tables": [contract.name for contract in contracts if contract.name not in queried],
            "replicas": union.replicas,
            "autoscaling": {"enabled": union.autoscaling.enabled, "maxReplicas": union.autoscaling.max_replicas},
        },
        "kafka": {"caSecret": at.kafka.ca_secret},
        "endpoints": endpoints(at, queried),
    }


def endpoints(at: Addresses, on_ksqldb: Sequence[str] = ()) -> Json:
    """The file that `dropless/endpoints.py` reads: addresses, how Kafka is spoken to, and where passwords lie.

    `on_ksqldb` are the tables that ksqlDB unites.
    """
    security = {"security.protocol": at.kafka.protocol}
    if at.kafka.protocol.startswith("SASL"):
        security["sasl.mechanism"] = at.kafka.mechanism
    if at.kafka.ca_secret:
        security["ssl.ca.location"] = "/etc/dropless/secrets/kafka_ca.crt"
    host, _, port = at.postgresql.rpartition(":")
    return {
        "kafka": at.kafka.bootstrap,
        "kafka_security": security,
        "kafka_connect": [at.kafka_connect],
        "schema_registry": at.schema_registry,
        "zookeeper": at.zookeeper,
        "pinot_controller": at.pinot_controller,
        "pinot_broker": at.pinot_broker,
        "pinot_user": at.pinot_user,
        "pinot_version": PINOT,
        "pinot_replicas": at.pinot_replicas,
        "rest_proxy": at.rest_proxy,
        "lenses": at.lenses,
        "lenses_environment": at.lenses_environment,
        "ksqldb": [at.ksqldb],
        "ksqldb_tables": list(on_ksqldb),
        "s3": at.s3,
        "s3_region": at.s3_region,
        "postgresql_host": host or at.postgresql,
        "postgresql_port": int(port) if host else 5432,
        "mongodb": at.mongodb,
        "dagster": at.dagster,
        "mongodb_replica_set": "mongodb",
        "secrets": "/etc/dropless/secrets",
        "connect_passwords": {name: f"/mnt/credentials/{secret}:password" for name, secret in CREDENTIALS.items()},
    }


_MADE: Final[dict[str, Callable[[Installation, Sequence[Contract], Addresses], Json]]] = {
    "foundation": _foundation,
    "strimzi-operator": operators.strimzi,
    "mongodb-operator": operators.mongodb,
    "zookeeper": _zookeeper,
    "minio": _minio,
    "postgresql": _postgresql,
    "mongodb": _mongodb,
    "kafka": _kafka,
    "schema-registry": _registry,
    "rest-proxy": _rest_proxy,
    "ksqldb": _ksqldb,
    "pinot": pinot.values,
    "lenses-hq": lenses.hq,
    "lenses-agent": lenses.agent,
    "dagster": dagster.values,
    "pipeline": _pipeline,
}
