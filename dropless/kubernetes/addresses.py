"""Where each system answers inside a cluster, or where the user says that it does."""

from __future__ import annotations

from dataclasses import dataclass

from dropless.kubernetes.installation import Installation

KAFKA_CA = "kafka-cluster-ca-cert"
KAFKA_PORT = 9093
# Of Pinot, as `helm_values` has them: each keeps every row.
SERVERS = {"seed": 3, "laptop": 1}


@dataclass(frozen=True)
class Kafka:
    """The brokers, how they are spoken to, and whom to trust."""

    bootstrap: str
    protocol: str
    mechanism: str
    ca_secret: str

    def client(self, user: str) -> dict[str, str]:
        """What a chart of ours takes as `kafka`."""
        return {
            "bootstrap": self.bootstrap,
            "protocol": self.protocol,
            "mechanism": self.mechanism,
            "userSecret": user_secret(user),
            "caSecret": self.ca_secret,
        }


@dataclass(frozen=True)
class Addresses:
    """Of every system that another one calls."""

    kafka: Kafka
    zookeeper: str
    schema_registry: str
    kafka_connect: str
    rest_proxy: str
    lenses: str
    lenses_environment: str
    ksqldb: str
    postgresql: str
    mongodb: str
    pinot_controller: str
    pinot_broker: str
    pinot_user: str
    """Of our processes; empty where an external Pinot asks for none."""
    pinot_replicas: int
    """How many of its servers keep each row."""
    s3: str
    s3_region: str
    dagster: str


def user_secret(user: str) -> str:
    """The Secret of a Kafka user: Strimzi's user operator makes it, or whoever runs the external Kafka."""
    return f"kafka-user-{user}"


def addresses(installation: Installation) -> Addresses:
    """The Services of our releases, and external addresses instead where there are some."""
    external = installation.external
    space = installation.namespace

    def of(system: str, ours: str) -> str:
        return external[system].address if system in external else ours

    def service(name: str, port: int, scheme: str = "http://") -> str:
        # Whole names, so that Dagster's runs and people's `kubectl port-forward` in other namespaces find them as well.
        return f"{scheme}{name}.{space}.svc:{port}"

    brokers = external.get("kafka")
    kafka = (
        Kafka(brokers.address, brokers.protocol, brokers.mechanism, brokers.ca_secret)
        if brokers
        else Kafka(service("kafka-kafka-bootstrap", KAFKA_PORT, ""), "SASL_SSL", "SCRAM-SHA-512", KAFKA_CA)
    )
    pinot, store = external.get("pinot"), external.get("minio")
    return Addresses(
        kafka=kafka,
        zookeeper=of("zookeeper", service("zookeeper", 2181, "")),
        schema_registry=of("schema-registry", service("schema-registry", 8081)),
        kafka_connect=of("kafka-connect", service("kafka-connect-connect-api", 8083)),
        rest_proxy=of("rest-proxy", service("rest-proxy", 8082)),
        lenses=of("lenses", service("lenses-hq", 80)),
        lenses_environment=installation.lenses_environment,
        ksqldb=of("ksqldb", service("ksqldb", 8088)),
        postgresql=of("postgresql", service("postgresql-rw", 5432, "")),
        mongodb=of("mongodb", service("mongodb-svc", 27017, "")),
        pinot_controller=of("pinot", service("pinot-controller", 9000)),
        pinot_broker=pinot.broker if pinot else service("pinot-broker", 8099),
        pinot_user=pinot.user if pinot else "pipeline",
        pinot_replicas=pinot.replicas if pinot else SERVERS[installation.size],
        s3=of("minio", service("minio", 9000)),
        s3_region=store.region if store else "us-east-1",
        dagster=of("dagster", service("dagster-dagster-webserver", 80)),
    )
