"""The systems that everything else needs, one asset each."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from dropless import desired, names
from dropless.endpoints import Endpoints
from dropless.plan import Resource, digest
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.provisioned import provisioned


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


def definitions() -> dg.Definitions:
    """Every system, and the buckets and users of the object storage."""
    return dg.Definitions.merge(*(_system(system) for system in SYSTEMS), _storage())


def _system(system: System) -> dg.Definitions:
    def wanted(at: Installation) -> list[Resource]:
        return [resource for resource in at.processes if resource.system == system.name]

    key = keys.system(system.name)
    spec = dg.AssetSpec(
        key,
        deps=system.needs,
        description=system.description,
        group_name=keys.PLATFORM_GROUP,
        kinds={system.icon},
    )
    if Endpoints.elsewhere():
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
