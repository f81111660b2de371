"""What observes and makes each kind of thing that contracts declare."""

from __future__ import annotations

from dropless.endpoints import Endpoints
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
