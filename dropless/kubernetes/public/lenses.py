"""Lenses: an HQ, and an agent with connections to Kafka, the registry and Connect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dropless.contract import Contract
from dropless.kubernetes.addresses import Addresses
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import LENSES_LICENCE

Json = dict[str, Any]


def hq(_installation: Installation, _contracts: Sequence[Contract], at: Addresses) -> Json:
    """Its state is in PostgreSQL."""
    host, _, port = at.postgresql.rpartition(":")
    return {
        "lensesHq": {
            "storage": {
                "postgres": {
                    "enabled": True,
                    "host": host or at.postgresql,
                    "port": int(port) if host else 5432,
                    "database": "lenses",
                    "username": "lenses",
                    "passwordSecret": {"type": "precreated", "name": "postgresql-lenses", "key": "password"},
                }
            },
            "license": {
                "acceptEULA": False,
                "referenceFromSecret": True,
                "secretName": LENSES_LICENCE,
                "secretKeyName": "licence",
            },
        }
    }


def agent(installation: Installation, _contracts: Sequence[Contract], at: Addresses) -> Json:
    """What it connects to; passwords are variables, from Secrets."""
    kafka = at.kafka.client("lenses")
    variables = [_variable("LENSES_KAFKA_JAAS", kafka["userSecret"], "sasl.jaas.config")]
    if kafka["caSecret"]:
        variables.append(_variable("LENSES_KAFKA_CA_PASSWORD", kafka["caSecret"], "ca.password"))
    return {
        **_truststore(kafka),
        "lensesAgent": {
            "additionalEnv": variables,
            "hq": {"agentKey": {"secret": {"type": "precreated", "name": LENSES_LICENCE, "key": "agentKey"}}},
            "provision": {
                "connections": {
                    "lensesHq": [
                        _connection(
                            "lenses-hq",
                            server=f"lenses-hq.{installation.namespace}.svc",
                            port=10000,
                            agentKey="${LENSESHQ_AGENT_KEY}",
                        )
                    ],
                    "kafka": [_connection("kafka", **_kafka(kafka))],
                    "confluentSchemaRegistry": [
                        _connection("schema-registry", schemaRegistryUrls=[at.schema_registry])
                    ],
                    "connect": [_connection("kafka-connect", workers=[at.kafka_connect])],
                }
            },
        },
    }


def _kafka(kafka: dict[str, str]) -> Json:
    servers = [f"{kafka['protocol']}://{server}" for server in kafka["bootstrap"].split(",")]
    told: Json = {"kafkaBootstrapServers": servers, "protocol": kafka["protocol"]}
    if kafka["protocol"].startswith("SASL"):
        told |= {"saslMechanism": kafka["mechanism"], "saslJaasConfig": "${LENSES_KAFKA_JAAS}"}
    if kafka["caSecret"]:
        told["sslTruststorePassword"] = "${LENSES_KAFKA_CA_PASSWORD}"
    return told


def _truststore(kafka: dict[str, str]) -> Json:
    if not kafka["caSecret"]:
        return {}
    return {
        "additionalVolumes": [{"name": "kafka-ca", "secret": {"secretName": kafka["caSecret"]}}],
        "additionalVolumeMounts": [{"name": "kafka-ca", "mountPath": "/mnt/kafka-ca"}],
    }


def _connection(name: str, **configuration: Any) -> Json:
    told: Json = {key: {"value": value} for key, value in configuration.items()}
    if "sslTruststorePassword" in told:
        told["sslTruststore"] = {"file": "/mnt/kafka-ca/ca.p12"}
    return {"name": name, "version": 1, "tags": ["dropless"], "configuration": told}


def _variable(name: str, secret: str, key: str) -> Json:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
