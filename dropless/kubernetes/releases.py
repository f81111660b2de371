"""What is installed: every Helm release with its chart, its version, and why this one; in the order of installation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Final, Literal

from dropless.errors import DroplessError
from dropless.kubernetes.installation import Installation, System

OURS: Final = ""
"""The repository of our own charts: the folder `helm_charts`."""


@dataclass(frozen=True)
class Pods:
    """Where a public chart's values say how many pods of a kind there are, and how large each is."""

    replicas: str
    """A path such as `server.replicaCount`, or a number where the chart leaves no choice."""
    resources: str
    # The size of a pod's volume, and how many of them it has.
    volume: str = ""
    volumes: str = ""


@dataclass(frozen=True)
class Awaited:
    """A custom resource that has to be Ready, with the generation that was applied: `helm --wait` does not look."""

    kind: str
    name: str
    # How its status says so: a condition of this type, or a phase.
    condition: str = "Ready"
    phase: str = ""


@dataclass(frozen=True)
class Needed:
    """A key of a Secret that only the user can make, and without which no pod of a release would ever start."""

    secret: str
    key: str
    remedy: str


@dataclass(frozen=True)
class Release:
    """One Helm release."""

    name: str
    chart: str
    version: str
    why: str
    repository: str = OURS
    # It is left out when all of them are external; one without systems always stays.
    systems: tuple[System, ...] = ()
    namespace: Literal["systems", "operators"] = "systems"
    awaits: tuple[Awaited, ...] = ()
    pods: tuple[Pods, ...] = ()
    # It is left out until they are there.
    needs: tuple[Needed, ...] = ()

    @property
    def ours(self) -> bool:
        """Whether the chart is one of ours."""
        return self.repository == OURS


_OWN: Final = "0.1.0"
_STRIMZI: Final = "https://strimzi.io/charts/"
_LENSES: Final = "https://helm.repo.lenses.io/"
LENSES_LICENCE: Final = "lenses-licence"
"""The Secret that the user makes: `licence`, and once HQ has given them `agentKey` and `serviceAccountKey`."""
_LICENCE: Final = Needed(LENSES_LICENCE, "licence", "it holds the licence that you have of Lenses")

RELEASES: Final = (
    Release("foundation", "foundation", _OWN, "network policies, passwords and permissions belong to no single system"),
    Release(
        "strimzi-operator",
        "strimzi-kafka-operator",
        "1.2.0",
        "the one maintained operator for Kafka in KRaft mode that is free software (CNCF)",
        repository=_STRIMZI,
        systems=("kafka", "kafka-connect"),
        namespace="operators",
        pods=(Pods("replicas", "resources"),),
    ),
    Release(
        "postgresql-operator",
        "cloudnative-pg",
        "0.29.0",
        "the maintained operator (CNCF) that carries logical replication slots over to a new primary",
        repository="https://cloudnative-pg.github.io/charts",
        systems=("postgresql",),
        namespace="operators",
        pods=(Pods("replicaCount", "resources"),),
    ),
    Release(
        "mongodb-operator",
        "mongodb-kubernetes",
        "1.9.1",
        "MongoDB's own; it replaces their community operator, which has ended",
        repository="https://mongodb.github.io/helm-charts",
        systems=("mongodb",),
        namespace="operators",
        pods=(Pods("operator.replicas", "operator.resources"),),
    ),
    Release(
        "zookeeper",
        "zookeeper",
        _OWN,
        "no maintained chart or operator is left, and Pinot's own has one volume for data and log",
        systems=("zookeeper",),
    ),
    Release(
        "minio",
        "minio",
        "5.4.0",
        "MinIO's chart, no longer maintained but complete: one pool of two nodes; any S3 store may stand in for it",
        repository="https://charts.min.io",
        systems=("minio",),
        pods=(Pods("replicas", "resources", "persistence.size", "drivesPerNode"),),
    ),
    Release(
        "postgresql",
        "postgresql",
        _OWN,
        "one Cluster resource with its roles and databases; the operator's chart has much more that we would turn off",
        systems=("postgresql",),
        awaits=(Awaited("clusters.postgresql.cnpg.io", "postgresql"),),
    ),
    Release(
        "mongodb",
        "mongodb",
        _OWN,
        "one MongoDBCommunity resource; there is no chart for it",
        systems=("mongodb",),
        awaits=(Awaited("mongodbcommunity.mongodbcommunity.mongodb.com", "mongodb", phase="Running"),),
    ),
    Release(
        "kafka",
        "kafka",
        _OWN,
        "Strimzi's custom resources; there is no chart for them",
        systems=("kafka", "kafka-connect"),
        awaits=(
            Awaited("kafkas.kafka.strimzi.io", "kafka"),
            Awaited("kafkaconnects.kafka.strimzi.io", "kafka-connect"),
        ),
    ),
    Release("schema-registry", "schema-registry", _OWN, "Confluent's charts are dead", systems=("schema-registry",)),
    Release("rest-proxy", "rest-proxy", _OWN, "Confluent's charts are dead", systems=("rest-proxy",)),
    Release("ksqldb", "ksqldb", _OWN, "Confluent's charts are dead, and theirs was headless", systems=("ksqldb",)),
    Release(
        "pinot",
        "pinot",
        "1.0.0",
        "Apache Pinot's own, since 1.0.0 without parts of Bitnami's",
        repository="https://raw.githubusercontent.com/apache/pinot/master/helm",
        systems=("pinot",),
        pods=(
            Pods("controller.replicaCount", "controller.resources", "controller.persistence.size"),
            Pods("broker.replicaCount", "broker.resources"),
            Pods("server.replicaCount", "server.resources", "server.persistence.size"),
            Pods("minionStateless.replicaCount", "minionStateless.resources"),
        ),
    ),
    Release(
        "lenses-hq",
        "lenses-hq",
        "6.2.1",
        "Lenses' own; the product wants a licence key",
        repository=_LENSES,
        systems=("lenses",),
        pods=(Pods("1", "resources"),),
        needs=(_LICENCE,),
    ),
    Release(
        "lenses-agent",
        "lenses-agent",
        "6.2.1",
        "the part of Lenses that speaks to Kafka, the registry and Connect",
        repository=_LENSES,
        systems=("lenses",),
        pods=(Pods("1", "resources", "persistence.storageH2.size"),),
        needs=(_LICENCE, Needed(LENSES_LICENCE, "agentKey", "HQ gives one for an environment that you make there")),
    ),
    Release(
        "dagster",
        "dagster",
        version("dagster"),
        "Dagster's own, of the version that our code runs with",
        repository="https://dagster-io.github.io/helm",
        systems=("dagster",),
        pods=(
            Pods("dagsterWebserver.replicaCount", "dagsterWebserver.resources"),
            Pods("1", "dagsterDaemon.resources"),
            Pods("1", "dagster-user-deployments.deployments.0.resources"),
        ),
    ),
    Release("pipeline", "pipeline", _OWN, "our own processes"),
)


def releases(installation: Installation) -> tuple[Release, ...]:
    """Those of an installation, in the order of installation; public charts come from its mirror, if it has one."""
    chosen = [
        each for each in RELEASES if not each.systems or any(installation.ours(system) for system in each.systems)
    ]
    mirror = installation.chart_repository
    return tuple(replace(each, repository=mirror) if mirror and not each.ours else each for each in chosen)


def named(installation: Installation, name: str | None) -> list[Release]:
    """The release of that name; all without one.

    Raises:
        DroplessError: the installation has none; the sentence lists them.
    """
    found = [each for each in releases(installation) if name in {None, each.name}]
    if not found:
        known = ", ".join(each.name for each in releases(installation))
        raise DroplessError(f"This installation has no release {name!r}; it has {known}.")
    return found


def provisionable(installation: Installation, system: str) -> list[Release]:
    """Those of a system that Dagster installs from inside the cluster.

    A person outside installs the operators, which bring kinds for the whole cluster, the foundation, which has
    Dagster's own permissions, and Dagster.
    """
    outside = {"foundation", "dagster"}
    return [
        each
        for each in releases(installation)
        if each.namespace == "systems" and each.name not in outside and system_of(each) == system
    ]


def system_of(release: Release) -> str:
    """The system that a release is shown under, by the name of its asset."""
    return next(iter(release.systems), release.name).replace("-", "_")


def namespace(release: Release, installation: Installation) -> str:
    """Where it is installed."""
    return installation.operators_namespace if release.namespace == "operators" else installation.namespace


def awaited(release: Release, installation: Installation) -> tuple[Awaited, ...]:
    """What has to be Ready: of a release with two systems, those parts that are ours."""
    if release.name != "kafka":
        return release.awaits
    return tuple(each for each in release.awaits if installation.ours(each.name))  # type: ignore[arg-type]
