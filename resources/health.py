"""Whether each system does its work, asked at its own interface."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pymongo.errors import PyMongoError

from dropless import databases, durability
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from resources.rest import Login

OWN = ("union", "lake_writer")
"""Our own processes; everything else is a server."""
SYSTEMS = (
    "kafka",
    "schema_registry",
    "kafka_connect",
    "zookeeper",
    "pinot",
    "minio",
    "postgresql",
    "mongodb",
    *OWN,
    "dagster",
)

PATIENCE_SECONDS = 3.0

StatusUrls = Mapping[str, Sequence[str]]
"""Where our own processes tell how they are: the addresses by system (`union`, `lake_writer`)."""


@dataclass(frozen=True)
class Health:
    """What a probe found; `nodes` is how many of the system's nodes answered."""

    system: str
    healthy: bool
    detail: str
    nodes: int


class _Unhealthy(Exception):
    """A probe's answer is not what a healthy system says."""


def probe(system: str, endpoints: Endpoints, status_urls: StatusUrls | None = None) -> Health:
    """Ask one system, for at most a few seconds; never raises because the system is not well."""
    try:
        if system in OWN:
            return _own(system, (status_urls or {}).get(system, ()))
        detail, nodes = _PROBES[system](endpoints)
    except _Unhealthy as error:
        return Health(system, False, str(error), 0)
    except (httpx.HTTPError, psycopg.Error, PyMongoError, KafkaException, OSError, DroplessError) as error:
        return Health(system, False, _sentence(error), 0)
    return Health(system, True, detail, nodes)


def _kafka(endpoints: Endpoints) -> tuple[str, int]:
    admin = AdminClient(durability.admin_client(endpoints) | {"log_level": 0})
    cluster = admin.list_topics(timeout=PATIENCE_SECONDS)
    # On Kubernetes one bootstrap address stands for all brokers.
    expected = max(len(endpoints.kafka.split(",")), durability.REPLICATION_FACTOR)
    if len(cluster.brokers) < expected:
        raise _Unhealthy(f"{len(cluster.brokers)} of {expected} brokers are registered")
    leaderless = [
        f"{topic.topic}-{partition.id}"
        for topic in cluster.topics.values()
        for partition in topic.partitions.values()
        if partition.leader < 0
    ]
    if leaderless:
        raise _Unhealthy(f"{len(leaderless)} partitions have no leader, {leaderless[0]} among them")
    return f"{len(cluster.brokers)} brokers, {len(cluster.topics)} topics", len(cluster.brokers)


def _schema_registry(endpoints: Endpoints) -> tuple[str, int]:
    nodes = endpoints.schema_registry_nodes or (endpoints.schema_registry.partition("/apis/")[0],)
    # While it replays its journal, a registry answers everything else with a part of the truth.
    for node in nodes:
        _get(f"{node}/health/ready")
    return "its journal is replayed", len(nodes)


def _kafka_connect(endpoints: Endpoints) -> tuple[str, int]:
    connectors = [_get(f"{url}/connectors") for url in endpoints.kafka_connect]
    return f"{len(connectors[0])} connectors", len(endpoints.kafka_connect)


def _zookeeper(endpoints: Endpoints) -> tuple[str, int]:
    hosts = endpoints.zookeeper.split(",")
    modes = []
    for host in hosts:
        name, _, port = host.partition(":")
        with socket.create_connection((name, int(port)), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(b"srvr")
            with connection.makefile() as answer:
                modes += [line.split()[1] for line in answer if line.startswith("Mode:")]
    if len(modes) < len(hosts):
        raise _Unhealthy(f"{len(modes)} of {len(hosts)} servers are in the ensemble")
    return ", ".join(sorted(modes)), len(modes)


def _pinot(endpoints: Endpoints) -> tuple[str, int]:
    for url in (endpoints.pinot_controller, endpoints.pinot_broker):
        answer = httpx.get(f"{url}/health", timeout=PATIENCE_SECONDS, trust_env=False)
        if answer.text != "OK":
            raise _Unhealthy(f"{url}/health says {answer.text[:100]!r}")
    instances = _get(f"{endpoints.pinot_controller}/instances", endpoints.pinot_login)["instances"]
    live = set(
        _get(
            f"{endpoints.pinot_controller}/zk/ls?path=/{_pinot_cluster(endpoints)}/LIVEINSTANCES", endpoints.pinot_login
        )
    )
    servers = [name for name in instances if name.startswith("Server_")]
    if not servers or not live.issuperset(servers):
        raise _Unhealthy(f"{len(live & set(servers))} of {max(1, len(servers))} servers are alive")
    return f"{len(servers)} servers", len(live)


def _pinot_cluster(endpoints: Endpoints) -> str:
    return str(_get(f"{endpoints.pinot_controller}/cluster/info", endpoints.pinot_login)["clusterName"])


def _minio(endpoints: Endpoints) -> tuple[str, int]:
    nodes = endpoints.s3_nodes or (endpoints.s3,)
    for node in nodes:
        # Ready says that the node serves; cluster, that enough nodes do to write.
        for check in ("ready", "cluster"):
            url = f"{node}/minio/health/{check}"
            httpx.get(url, timeout=PATIENCE_SECONDS, trust_env=False).raise_for_status()
    return "it takes writes", len(nodes)


def _postgresql(endpoints: Endpoints) -> tuple[str, int]:
    with databases.postgresql(endpoints, "postgres", "admin", autocommit=True) as connection:
        found = connection.execute("select count(*) from pg_replication_slots").fetchone()
    return f"{found[0] if found else 0} replication slots", 1


def _mongodb(endpoints: Endpoints) -> tuple[str, int]:
    with databases.mongodb(endpoints, "admin") as client:
        client.admin.command("ping")
    return "it answers", 1


def _own(system: str, urls: Sequence[str]) -> Health:
    states = [_get(url)["state"] for url in urls]
    bad = [state for state in states if state != "running"]
    if bad or not states:
        return Health(system, False, f"state {bad[0]}" if bad else "no contract asks for it", len(states) - len(bad))
    return Health(system, True, "running", len(states))


_LOCATIONS = """{
  workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename ... on PythonError { message } }
  } } }
}"""


def _dagster(endpoints: Endpoints) -> tuple[str, int]:
    answer = httpx.post(
        f"{endpoints.dagster}/graphql", json={"query": _LOCATIONS}, timeout=2 * PATIENCE_SECONDS, trust_env=False
    )
    answer.raise_for_status()
    entries = answer.json()["data"]["workspaceOrError"].get("locationEntries", [])
    for entry in entries:
        loaded = entry["locationOrLoadError"] or {"__typename": "nothing yet"}
        if loaded["__typename"] != "RepositoryLocation":
            lines = str(loaded.get("message", loaded["__typename"])).strip().splitlines()
            raise _Unhealthy(f"code location {entry['name']} is not loaded: {lines[0]}")
    if not entries:
        raise _Unhealthy("it has no code location")
    return f"code location {entries[0]['name']} is loaded", 1


_PROBES: dict[str, Callable[[Endpoints], tuple[str, int]]] = {
    "kafka": _kafka,
    "schema_registry": _schema_registry,
    "kafka_connect": _kafka_connect,
    "zookeeper": _zookeeper,
    "pinot": _pinot,
    "minio": _minio,
    "postgresql": _postgresql,
    "mongodb": _mongodb,
    "dagster": _dagster,
}


def _get(url: str, login: Login = None) -> Any:
    # Loopback and cluster addresses never go through a proxy of the environment.
    answer = httpx.get(url, timeout=PATIENCE_SECONDS, trust_env=False, auth=login)
    answer.raise_for_status()
    return answer.json()


def _sentence(error: Exception) -> str:
    if isinstance(error, KafkaException):
        return str(error.args[0].str())
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
