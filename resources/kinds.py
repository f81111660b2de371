"""Every kind of thing that is provisioned: its adapter, and which kinds it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.plan import Resource
from resources.adapter import Adapter
from resources.kafka import Topics
from resources.kafka_connect import Connectors
from resources.ksqldb import KsqldbMappings, KsqldbStreams
from resources.ksqldb_client import Ksqldb
from resources.ksqldb_offsets import KafkaGroups
from resources.minio import Buckets, S3Users
from resources.mongodb import MongodbSources
from resources.pinot import PinotSchemas, PinotTables
from resources.postgresql import PostgresqlSources
from resources.schema_registry import Subjects
from resources.topic_admin import MOVE_BYTES_PER_SECOND

# A kind needs only kinds before it.
ORDER = (
    "release",
    "bucket",
    "s3_user",
    "topic",
    "subject",
    "postgresql_source",
    "mongodb_source",
    "connector",
    "pinot_schema",
    "pinot_table",
    "ksqldb_stream",
    "ksqldb_mapping",
    "process",
)
# Connect signs in at the source to validate a connector, Pinot looks at the schema to validate a table:
# they are asked only when that thing of the same name is as it should be.
VALIDATED_AGAINST = {"connector": ("postgresql_source", "mongodb_source"), "pinot_table": ("pinot_schema",)}


def adapters(endpoints: Endpoints, move_bytes_per_second: int = MOVE_BYTES_PER_SECOND) -> dict[str, Adapter]:
    """The adapter of every kind but the platform's, `process` and `release`; none connects before it is used.

    `move_bytes_per_second` is what a broker may spend on moving replicas.
    """
    # One client for both: it waits until the server that answers has come as far as the last statement.
    ksqldb = Ksqldb(endpoints.ksqldb)
    return {
        "bucket": Buckets(endpoints),
        "s3_user": S3Users(endpoints),
        "topic": Topics(endpoints, move_bytes_per_second),
        "subject": Subjects(endpoints),
        "postgresql_source": PostgresqlSources(endpoints),
        "mongodb_source": MongodbSources(endpoints),
        "connector": Connectors(endpoints),
        "pinot_schema": PinotSchemas(endpoints),
        "pinot_table": PinotTables(endpoints),
        "ksqldb_stream": KsqldbStreams(ksqldb),
        "ksqldb_mapping": KsqldbMappings(ksqldb, KafkaGroups(endpoints)),
    }


def by_kind(desired: Sequence[Resource]) -> dict[str, list[Resource]]:
    """The resources by kind, in the order in which kinds depend on each other.

    Raises:
        DroplessError: a kind has no place in that order.
    """
    unknown = sorted({each.kind for each in desired} - set(ORDER))
    if unknown:
        raise DroplessError(f"Nobody knows how to make a {unknown[0]!r}; the kinds are {', '.join(ORDER)}.")
    grouped = {kind: [each for each in desired if each.kind == kind] for kind in ORDER}
    return {kind: resources for kind, resources in grouped.items() if resources}


def adapter_of(kind: str, known: Mapping[str, Adapter]) -> Adapter:
    """The adapter of a kind.

    Raises:
        DroplessError: things of that kind cannot be provisioned from here.
    """
    try:
        return known[kind]
    except KeyError:
        raise DroplessError(f"Things of the kind {kind!r} cannot be provisioned from here.") from None


def counted(kind: str, resources: Sequence[Resource]) -> str:
    """How many things of a kind there are, in words."""
    words = kind.replace("_", " ")
    ending = "es" if words.endswith("s") else "s"
    return f"{len(resources)} {words}{'' if len(resources) == 1 else ending}"
