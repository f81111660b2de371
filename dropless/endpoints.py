"""Where the systems answer: the one place from which every client takes an address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dropless.ports import port, ports
from dropless.settings import LOOPBACK, Settings


@dataclass(frozen=True)
class Endpoints:
    """Addresses of every system, and the folder in which its passwords lie.

    `kafka_security` is merged into every Kafka client's configuration, so TLS and SASL
    are switched on for all of them here.
    """

    kafka: str
    kafka_connect: tuple[str, ...]
    schema_registry: str
    zookeeper: str
    pinot_controller: str
    pinot_broker: str
    s3: str
    s3_region: str
    postgresql_host: str
    postgresql_port: int
    mongodb: str
    dagster: str
    secrets: Path
    # A name that the server gives itself; this is SecantusDB's.
    mongodb_replica_set: str = "secantus"
    kafka_security: tuple[tuple[str, str], ...] = ()
    # Every node of the systems of which clients know one address; empty where a load balancer hides them.
    schema_registry_nodes: tuple[str, ...] = ()
    s3_nodes: tuple[str, ...] = ()
    # How many servers keep each row of a Pinot table.
    pinot_replicas: int = 1

    @classmethod
    def local(cls, settings: Settings) -> Self:
        """The addresses of the embedded platform, all on loopback."""

        def hosts(listener: str) -> list[str]:
            return [f"{LOOPBACK}:{number}" for number in ports(settings, listener)]

        return cls(
            kafka=",".join(hosts("kafka_broker")),
            kafka_connect=tuple(f"http://{host}" for host in hosts("kafka_connect")),
            schema_registry=f"http://{hosts('schema_registry')[0]}/apis/ccompat/v7",
            zookeeper=",".join(hosts("zookeeper")),
            pinot_controller=f"http://{hosts('pinot_controller')[0]}",
            pinot_broker=f"http://{hosts('pinot_broker')[0]}",
            s3=f"http://{hosts('minio')[0]}",
            s3_region="us-east-1",
            postgresql_host=LOOPBACK,
            postgresql_port=port(settings, "postgresql"),
            mongodb=hosts("mongodb")[0],
            dagster=f"http://{hosts('dagster')[0]}",
            secrets=settings.secrets,
            schema_registry_nodes=tuple(f"http://{host}" for host in hosts("schema_registry")),
            s3_nodes=tuple(f"http://{host}" for host in hosts("minio")),
            pinot_replicas=len(ports(settings, "pinot_server")),
        )
