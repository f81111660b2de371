"""The picture's arrows, and the NetworkPolicies that allow them and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from dropless.kubernetes.addresses import KAFKA_PORT
from dropless.kubernetes.installation import Installation, System

Json = dict[str, Any]


@dataclass(frozen=True)
class Arrow:
    """Who calls whom, on which ports."""

    source: str
    target: str
    ports: tuple[int, ...]


API_SERVER: Final = "kubernetes"
"""No pod and so no selector: only its ports can be named."""
OPERATORS: Final = "operators"
VISITORS: Final = "visitors"

# By what a system's pods are known: our own charts' labels, or those that the operator or the public chart sets.
PODS: Final[dict[str, dict[str, str]]] = {
    "zookeeper": {"app.kubernetes.io/name": "zookeeper"},
    "kafka": {"strimzi.io/name": "kafka-kafka"},
    "kafka-connect": {"strimzi.io/name": "kafka-connect-connect"},
    "schema-registry": {"app.kubernetes.io/name": "schema-registry"},
    "rest-proxy": {"app.kubernetes.io/name": "rest-proxy"},
    "ksqldb": {"app.kubernetes.io/name": "ksqldb"},
    "postgresql": {"cnpg.io/cluster": "postgresql"},
    "mongodb": {"app": "mongodb-svc"},
    "pinot": {"app": "pinot"},
    "minio": {"app": "minio"},
    # The Jobs that make MinIO's buckets and users.
    "minio-setup": {"app": "minio-job"},
    "lenses": {"dropless/system": "lenses"},
    # By its release, for code locations bear another name than the rest.
    "dagster": {"app.kubernetes.io/instance": "dagster"},
    "union": {"app.kubernetes.io/name": "union-worker"},
    "lake": {"app.kubernetes.io/name": "lake-writer"},
}

_KAFKA: Final = (KAFKA_PORT,)
_S3: Final = (9000,)
_API: Final = (443, 6443)
_ANYWHERE: Final[Json] = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]}
_READ_SOURCES: Final = frozenset({"kafka-connect", "dagster"})

ARROWS: Final = (
    # The way of a row.
    Arrow("kafka-connect", "postgresql", (5432,)),
    Arrow("kafka-connect", "mongodb", (27017,)),
    Arrow("kafka-connect", "kafka", _KAFKA),
    Arrow("ksqldb", "kafka", _KAFKA),
    Arrow("union", "kafka", _KAFKA),
    Arrow("lake", "kafka", _KAFKA),
    Arrow("lake", "minio", _S3),
    Arrow("pinot", "kafka", _KAFKA),
    Arrow("pinot", "minio", _S3),
    Arrow("pinot", "zookeeper", (2181,)),
    # Beside it.
    Arrow("minio-setup", "minio", _S3),
    Arrow("schema-registry", "kafka", _KAFKA),
    Arrow("rest-proxy", "kafka", _KAFKA),
    Arrow("rest-proxy", "schema-registry", (8081,)),
    Arrow("ksqldb", "schema-registry", (8081,)),
    Arrow("lenses", "kafka", _KAFKA),
    Arrow("lenses", "schema-registry", (8081,)),
    Arrow("lenses", "kafka-connect", (8083,)),
    Arrow("lenses", "postgresql", (5432,)),
    # Dagster declares, provisions and watches everything.
    Arrow("dagster", "kafka", _KAFKA),
    Arrow("dagster", "kafka-connect", (8083,)),
    Arrow("dagster", "schema-registry", (8081,)),
    Arrow("dagster", "rest-proxy", (8082,)),
    Arrow("dagster", "ksqldb", (8088,)),
    Arrow("dagster", "postgresql", (5432,)),
    Arrow("dagster", "mongodb", (27017,)),
    Arrow("dagster", "zookeeper", (2181,)),
    Arrow("dagster", "pinot", (9000, 8099)),
    Arrow("dagster", "minio", _S3),
    Arrow("dagster", "lenses", (8080,)),
    Arrow("dagster", API_SERVER, _API),
    # PostgreSQL's and MongoDB's pods tell the API server how they are.
    Arrow("postgresql", API_SERVER, _API),
    Arrow("mongodb", API_SERVER, _API),
    # With rack awareness, an init container looks at its node.
    Arrow("kafka", API_SERVER, _API),
    # Operators look after what they made. What the user operator needs, Strimzi's own policies allow.
    Arrow(OPERATORS, "kafka", (9090, 9091)),
    Arrow(OPERATORS, "kafka-connect", (8083,)),
    Arrow(OPERATORS, "postgresql", (5432, 8000)),
    # People, through namespaces that the installation names.
    Arrow(VISITORS, "pinot", (8099, 9000)),
    Arrow(VISITORS, "minio", (9000, 9001)),
    Arrow(VISITORS, "dagster", (80, 3000)),
    Arrow(VISITORS, "lenses", (8080,)),
)


def policies(installation: Installation, *, sources_outside: bool = False) -> list[Json]:
    """One per system that is ours: who may come in, and where it may go.

    With `sources_outside`, some tables are on servers that only an environment variable names.
    """
    return [
        {
            "name": system,
            "podSelector": {"matchLabels": PODS[system]},
            "ingress": _ingress(system, installation),
            "egress": _egress(system, installation, anywhere=sources_outside and system in _READ_SOURCES),
        }
        for system in PODS
        if present(system, installation)
    ]


def kafka_clients(installation: Installation) -> list[Json]:
    """Who may come to the brokers' listener: Strimzi makes a policy of its own, which must not let everybody in."""
    return [
        peer for arrow in _into("kafka", installation) if KAFKA_PORT in arrow.ports for peer in _peers(arrow.source)
    ]


def present(system: str, installation: Installation) -> bool:
    """Whether pods of a system are in our namespace."""
    # Workers unite what ksqlDB cannot, whatever the engine.
    return system in {"union", "lake"} or installation.ours(cast("System", system.removesuffix("-setup")))


def _into(target: str, installation: Installation) -> list[Arrow]:
    return [each for each in ARROWS if each.target == target and _exists(each.source, installation)]


def _exists(source: str, installation: Installation) -> bool:
    if source == VISITORS:
        return bool(installation.visitors)
    return source == OPERATORS or present(source, installation)


def _ingress(system: str, installation: Installation) -> list[Json]:
    rules: list[Json] = [{"from": _peers(system)}]
    for arrow in _into(system, installation):
        peers = {
            OPERATORS: _namespaces(installation.operators_namespace),
            VISITORS: _namespaces(*installation.visitors),
        }.get(arrow.source) or _peers(arrow.source)
        rules.append({"from": peers, "ports": _ports(arrow)})
    return rules


def _egress(system: str, installation: Installation, *, anywhere: bool) -> list[Json]:
    names = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    rules: list[Json] = [
        {
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
            "ports": names,
        },
        {"to": _peers(system)},
    ]
    for arrow in ARROWS:
        if arrow.source != system:
            continue
        if arrow.target != API_SERVER and present(arrow.target, installation):
            rules.append({"to": _peers(arrow.target), "ports": _ports(arrow)})
        elif arrow.target == API_SERVER:
            rules.append({"ports": _ports(arrow)})
        else:
            # Where an external system lies is known to DNS only, and so is its port to its owner.
            rules.append(_ANYWHERE)
    return _without_repetition([*rules, _ANYWHERE] if anywhere else rules)


def _peers(system: str) -> list[Json]:
    return [{"podSelector": {"matchLabels": PODS[system]}}]


def _namespaces(*names: str) -> list[Json]:
    return [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in names]


def _ports(arrow: Arrow) -> list[Json]:
    return [{"port": port, "protocol": "TCP"} for port in arrow.ports]


def _without_repetition(rules: list[Json]) -> list[Json]:
    return [rule for number, rule in enumerate(rules) if rule not in rules[:number]]
