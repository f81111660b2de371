"""The systems that everything else needs, one asset each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from dropless import desired, names
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.kubernetes.installation import Installation as Cluster
from dropless.kubernetes.releases import provisionable
from dropless.plan import Resource, digest
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.provisioned import provisioned
from pipeline_assets.verdict import Verdict
from resources.lenses import Lenses
from resources.rest_proxy import RestProxy


@dataclass(frozen=True)
class System:
    """One system as the UI shows it."""

    name: str
    icon: str
    needs: tuple[dg.AssetKey, ...]
    description: str


PINOT_BUCKET = keys.provisioned("bucket", names.PINOT_BUCKET)

SYSTEMS = (
    System(
        "kafka",
        "kafka",
        (),
        "The log that keeps every change: brokers and controllers (KRaft), configured from the durability table. "
        "The checks watch what the cluster promises: three replicas of everything, all in sync.",
    ),
    System(
        "schema_registry",
        "json",
        (keys.system("kafka"),),
        "Keeps the JSON Schema of every topic, and refuses one that would break readers. Its own data is in Kafka.",
    ),
    System(
        "kafka_connect",
        "debezium",
        (keys.system("kafka"),),
        "Runs the Debezium connectors, with exactly-once delivery from source to topic.",
    ),
    System("zookeeper", "zookeeper", (), "Pinot's own memory of its cluster. Kafka does not use it."),
    System("minio", "minio", (), "Object storage (S3): the data lake, and the deep store from which Pinot recovers."),
    System(
        "pinot",
        "pinot",
        (keys.system("zookeeper"), keys.system("kafka"), keys.system("minio"), PINOT_BUCKET),
        "Answers analysts' SQL on rows that are seconds old.",
    ),
    System("postgresql", "postgresql", (), "The source databases of the example, with logical decoding switched on."),
    System("mongodb", "mongodb", (), "The source of documents of the example, with change streams."),
)


# Where a cluster is ours, these are there too.
ON_KUBERNETES = (
    System("rest_proxy", "kafka", (keys.system("kafka"),), "Kafka over HTTP, for topics that are none of ours."),
    System(
        "ksqldb", "kafka", (keys.system("kafka"),), "Unites sources by SQL, exactly once, where contracts allow it."
    ),
    System("lenses", "kafka", (keys.system("kafka"),), "A view of Kafka, the registry and Connect for people."),
    System("pipeline", "python", (keys.system("kafka"),), "The union's workers and the lake's writers."),
)


def definitions() -> dg.Definitions:
    """Every system, and the buckets and users of the object storage."""
    cluster = Cluster.of_this_cluster()
    systems = (*SYSTEMS, *ON_KUBERNETES) if cluster else SYSTEMS
    probes = [_rest_proxy_probe()] if cluster and cluster.ours("rest-proxy") else []
    if cluster and cluster.ours("lenses"):
        probes.append(_lenses_sight())
    return dg.Definitions.merge(*(_system(system, cluster) for system in systems), _storage(), *probes)


def _rest_proxy_probe() -> dg.Definitions:
    def look(at: Endpoints) -> Verdict:
        seconds = RestProxy(at.rest_proxy).probe()
        told = {"seconds": dg.MetadataValue.float(round(seconds, 3))}
        return Verdict(True, f"There and back in {seconds:.2f} s.", metadata=told)

    topic = dg.AssetSpec(
        keys.provisioned("topic", names.REST_PROBE),
        deps=[keys.system("kafka")],
        description="Through it the REST Proxy is probed; what is in it is of no use an hour later.",
        group_name=keys.PLATFORM_GROUP,
        kinds={"kafka"},
    )
    made = provisioned("probe_topic", [topic], lambda at: desired.probe_topics(at.endpoints), pool="platform")
    told = "A record that is produced over HTTP is consumed over HTTP."
    return dg.Definitions.merge(made, _look_at("rest_proxy", "a_record_goes_through", told, look))


def _lenses_sight() -> dg.Definitions:
    def look(at: Endpoints) -> Verdict:
        seen = Lenses(at.lenses, at.secrets).environment(at.lenses_environment)
        told = {name: dg.MetadataValue.int(count) for name, count in seen.counts.items()}
        counted = ", ".join(f"{count} {name}" for name, count in seen.counts.items())
        return Verdict(not seen.trouble, seen.trouble or f"It sees {counted}.", risk=False, metadata=told)

    told = "The agent of our environment is connected to Lenses' HQ, and has told it of Kafka's brokers."
    # It shows people what is there; no record depends on it.
    return _look_at("lenses", "its_agent_sees_kafka", told, look, risk=False)


def _look_at(
    system: str, name: str, description: str, look: Callable[[Endpoints], Verdict], *, risk: bool = True
) -> dg.Definitions:
    """A check of a system that asks it itself; what it refuses, or that it does not answer, is a failure."""
    key = dg.AssetCheckKey(keys.system(system), name)

    @dg.asset_check(asset=key.asset_key, name=name, description=description)
    def check(installation: Installation) -> dg.AssetCheckResult:
        try:
            return look(installation.endpoints).result(key)
        except DroplessError as error:
            return Verdict(False, str(error), risk=risk).result(key)

    return dg.Definitions(asset_checks=[check])


def _system(system: System, cluster: Cluster | None) -> dg.Definitions:
    def wanted(at: Installation) -> list[Resource]:
        return [resource for resource in at.servers(system.name) if resource.system == system.name]

    key = keys.system(system.name)
    spec = dg.AssetSpec(
        key,
        deps=system.needs,
        description=system.description,
        group_name=keys.PLATFORM_GROUP,
        kinds={system.icon},
    )
    if Endpoints.elsewhere() and not (cluster and provisionable(cluster, system.name)):
        # Whoever installed it there starts and stops it; the sensors watch it all the same.
        return dg.Definitions(assets=[spec])
    return provisioned(f"platform_{system.name}", [spec], wanted, pool="platform", key_of=lambda _: key)


def _storage() -> dg.Definitions:
    resources = [*desired.buckets(), *desired.s3_users()]
    specs = [
        dg.AssetSpec(
            keys.of(resource),
            deps=[keys.system("minio")],
            description=_STORAGE[resource.kind],
            group_name=keys.PLATFORM_GROUP,
            kinds={"s3"},
            code_version=digest([resource]),
            metadata={"declared": dg.MetadataValue.json(resource.properties)},
        )
        for resource in resources
    ]
    return provisioned("object_storage", specs, lambda _: resources, pool="platform")


_STORAGE = {
    "bucket": "A bucket of the object storage.",
    "s3_user": "A user of the object storage who may do exactly what its policy says.",
}
