"""Where the systems answer: the one place from which every client takes an address."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from dropless import passwords
from dropless.errors import DroplessError
from dropless.ports import port, ports
from dropless.settings import LOOPBACK, Settings

FILE: Final = "DROPLESS_ENDPOINTS"
KAFKA_USER: Final = "DROPLESS_KAFKA_USER"
LENSES_KEY: Final = "lenses_key"
"""The name of the file with the key of a service account in Lenses."""
KAFKA_PASSWORD: Final = "kafka_password"  # noqa: S105 - the name of a file, not what is in it


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
    # By the name of a password's file: where Connect's workers see it, as `folder:file`; else in `secrets`, as we do.
    connect_passwords: tuple[tuple[str, str], ...] = ()
    # ksqlDB's servers, and the tables whose rows its queries unite; workers unite all others.
    ksqldb: tuple[str, ...] = ()
    ksqldb_tables: tuple[str, ...] = ()
    # Kafka over HTTP, for topics that are none of ours; empty where there is none.
    rest_proxy: str = ""
    # Lenses' HQ, and what our Kafka is called there; empty where there is none.
    lenses: str = ""
    lenses_environment: str = ""
    # How many servers keep each row of a Pinot table.
    pinot_replicas: int = 1
    # What a table's configuration may say.
    pinot_version: str = "0.11"
    # Pinot's user, whose password is the file `pinot_<user>`; none where Pinot asks nobody.
    pinot_user: str = ""

    @property
    def pinot_login(self) -> tuple[str, str] | None:
        """Pinot's user and password; None where it asks for none.

        Raises:
            DroplessError: there is no such password.
        """
        return (self.pinot_user, passwords.read(self.secrets, f"pinot_{self.pinot_user}")) if self.pinot_user else None

    @classmethod
    def elsewhere(cls) -> bool:
        """Whether the systems run where `DROPLESS_ENDPOINTS` tells, and not as processes of this machine."""
        return bool(os.environ.get(FILE))

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Those in the file that `DROPLESS_ENDPOINTS` names, as on Kubernetes; else the embedded platform's.

        Raises:
            DroplessError: the file cannot be read or says something else, or a user's name or password is missing.
        """
        file = os.environ.get(FILE)
        if not file:
            return cls.local(settings)
        try:
            told = json.loads(Path(file).read_text())
            return cls(**_told(told, {each.name for each in fields(cls)}))
        except (OSError, ValueError, TypeError) as error:
            raise DroplessError(f"The endpoints in {file}, which {FILE} names, cannot be used: {error}.") from None

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


def _told(told: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """A file's content as arguments: lists as tuples, and the password of Kafka's user from its own file."""
    if unknown := told.keys() - known:
        raise ValueError(f"there is no {min(unknown)!r}")
    secrets = Path(told["secrets"]) if "secrets" in told else Path()
    security = dict(told.get("kafka_security", {}))
    if str(security.get("security.protocol", "")).startswith("SASL"):
        user = os.environ.get(KAFKA_USER)
        if not user:
            raise ValueError(f"{KAFKA_USER}, the name of Kafka's user, is not set")
        security |= {"sasl.username": user, "sasl.password": passwords.read(secrets, KAFKA_PASSWORD)}
    lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
    pairs = {"kafka_security": security, "connect_passwords": told.get("connect_passwords", {})}
    return {**told, **lists, "secrets": secrets, **{name: tuple(each.items()) for name, each in pairs.items()}}
