"""The Debezium connectors, one per source."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from dropless import durability, names
from dropless.backfill.slices import SLICE_ROWS
from dropless.contract import Contract, MongodbCollection, PostgresqlTable, Source
from dropless.desired.databases import HEARTBEAT_COLLECTION, HEARTBEAT_TABLE, signal_table
from dropless.desired.servers import mongodb_server, postgresql_server
from dropless.endpoints import Endpoints
from dropless.plan import Resource

HEARTBEAT_MS: Final = 5000
HEARTBEAT_PREFIX: Final = "heartbeat"
# How long a connector waits before it looks whether its database is back, again and again; the default is 10 s.
RETRY_MS: Final = 1000
HEARTBEAT_QUERY: Final = (
    f"INSERT INTO {HEARTBEAT_TABLE} (id, ts) VALUES (1, now()) ON CONFLICT (id) DO UPDATE SET ts = EXCLUDED.ts"  # noqa: S608
)

Config = dict[str, str]


def connectors(contract: Contract, endpoints: Endpoints) -> list[Resource]:
    """A connector per source, whose only topics are the raw, the heartbeat and the signal topic of that source.

    Whether it runs is not said: one that somebody paused stays paused (`running` asks for more).

    Raises:
        DroplessError: a source's server is named by an environment variable that is not set.
    """
    made = []
    for source in contract.sources:
        config = _common(contract.name, source)
        if source.postgresql:
            config |= _postgresql(contract.name, source.name, source.postgresql, endpoints)
        if source.mongodb:
            config |= _mongodb(contract.name, source.name, source.mongodb, endpoints)
        name = names.connector(contract.name, source.name)
        properties = {"config": dict(sorted(config.items()))}
        hints = {"table": contract.name, "epoch": source.epoch}
        made.append(Resource("kafka_connect", "connector", name, properties, hints, exact=frozenset({"config"})))
    return made


def running(resource: Resource) -> Resource:
    """The same connector, which has to run even if somebody paused or stopped it; other things as they are."""
    if resource.kind != "connector":
        return resource
    return replace(resource, properties={"state": "RUNNING", **resource.properties})


def _common(table: str, source: Source) -> Config:
    # Connect keeps a source's offsets by this name: in a new epoch there are none, and the source is read anew.
    prefix = names.connector(table, source.name) + (f".{source.epoch}" if source.epoch else "")
    heartbeat = names.heartbeat_topic(table, source.name)
    beating = rf".+\.{re.escape(HEARTBEAT_COLLECTION)}" if source.mongodb else re.escape(HEARTBEAT_TABLE)
    heartbeats = rf"{re.escape(prefix)}\.{beating}"
    if source.epoch:
        heartbeats += rf"|{HEARTBEAT_PREFIX}\.{re.escape(prefix)}"
    signals = (
        rf".+\.{re.escape(names.signal_collection(table, source.name))}"
        if source.mongodb
        else re.escape(signal_table(table, source.name))
    )
    return durability.connector() | {
        "tasks.max": "1",
        "topic.prefix": prefix,
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        # Whatever Debezium calls a topic ends in one of three: its own name for a table can hold no dot or umlaut.
        "transforms": "heartbeat,signals,raw",
        "transforms.heartbeat.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.heartbeat.regex": heartbeats,
        "transforms.heartbeat.replacement": heartbeat,
        "transforms.signals.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.signals.regex": rf"{re.escape(prefix)}\.{signals}",
        "transforms.signals.replacement": names.signal_topic(table, source.name),
        "transforms.raw.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.raw.regex": rf"{re.escape(prefix)}\..+",
        "transforms.raw.replacement": names.raw_topic(table, source.name),
        "heartbeat.interval.ms": str(HEARTBEAT_MS),
        # Debezium appends the prefix: this is the heartbeat topic's name.
        "topic.heartbeat.prefix": HEARTBEAT_PREFIX,
        "retriable.restart.connector.wait.ms": str(RETRY_MS),
        # The default, said aloud: a database may be away for as long as it takes.
        "errors.max.retries": "-1",
        "snapshot.mode": "initial",
        # Signals come through the source, in the order of its changes and exactly once like them; Kafka's channel
        # commits its own offsets by time, so that a kill could lose a signal or repeat it. No notifications: the
        # first snapshot's go into the sink with an empty offset, with which a worker killed right then would take
        # that snapshot for done (Debezium 3.7, SinkNotificationChannel).
        "signal.enabled.channels": "source",
        "incremental.snapshot.chunk.size": str(SLICE_ROWS),
        # With insert_delete a window that a killed worker left open would stay in the table for ever.
        "incremental.snapshot.watermarking.strategy": "insert_insert",
        "skipped.operations": "none",
        "tombstones.on.delete": "true",
        # The default, 500, is the latency's greatest part; memory is unbounded by default.
        "poll.interval.ms": "20",
        "max.batch.size": "4096",
        "max.queue.size": "16384",
        "max.queue.size.in.bytes": str(32 * 1024 * 1024),
        "producer.override.compression.type": "lz4",
        "producer.override.linger.ms": "5",
        # With one request in flight, a request must carry much.
        "producer.override.batch.size": "262144",
    }


def _postgresql(table: str, source: str, origin: PostgresqlTable, endpoints: Endpoints) -> Config:
    server = postgresql_server(origin, endpoints)
    captured = rf"{re.escape(origin.schema_name)}\.{re.escape(origin.table_name)}"
    config = {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": server.host,
        "database.port": str(server.port),
        "database.dbname": origin.database,
        "database.user": server.user,
        "database.password": password(endpoints, server.secret),
        "plugin.name": "pgoutput",
        "slot.name": names.slot(table, source),
        "slot.drop.on.stop": "false",
        "publication.name": names.publication(table, source),
        "publication.autocreate.mode": "disabled",
        "signal.data.collection": signal_table(table, source),
        # The default goes on silently from wherever the slot is, even if that is past what was read.
        "offset.mismatch.strategy": "trust_offset",
        "table.include.list": f"{_listed(captured)},{re.escape(HEARTBEAT_TABLE)}",
        # Messages that applications write into the WAL are no rows.
        "message.prefix.exclude.list": ".*",
        "decimal.handling.mode": "string",
        # Else a timestamp(3) comes in milliseconds, and nothing in the JSON says so.
        "time.precision.mode": "microseconds",
        "heartbeat.action.query": HEARTBEAT_QUERY,
    }
    return config | ({"database.sslmode": server.sslmode} if server.sslmode else {})


# The document as it was after the change, not as it is when somebody looks it up.
_OWN_SERVER: Final = {
    "capture.mode": "change_streams_update_full_with_pre_image",
    "capture.mode.full.update.type": "post_image",
}
# SecantusDB 0.7 keeps no post-images: it gives the document as it is by then, so that a connector that lags would write
# the newest version again and again. The union makes each from the pre-image and the update's description.
_STAND_IN: Final = {"capture.mode": "change_streams_with_pre_image"}


def _mongodb(table: str, source: str, origin: MongodbCollection, endpoints: Endpoints) -> Config:
    server = mongodb_server(origin, endpoints)
    captured = rf"{re.escape(origin.database)}\.{re.escape(origin.collection)}"
    heartbeat = rf"{re.escape(origin.database)}\.{re.escape(HEARTBEAT_COLLECTION)}"
    return {
        "connector.class": "io.debezium.connector.mongodb.MongoDbConnector",
        "mongodb.connection.string": server.uri,
        "mongodb.user": server.user,
        "mongodb.password": password(endpoints, server.secret),
        "mongodb.authsource": server.authentication_database,
        "capture.scope": "database",
        "capture.target": origin.database,
        "signal.data.collection": f"{origin.database}.{names.signal_collection(table, source)}",
        **(_OWN_SERVER if origin.uri_env else _STAND_IN),
        "collection.include.list": f"{_listed(captured)},{_listed(heartbeat)}",
    }


def password(endpoints: Endpoints, secret: str) -> str:
    """A reference that Connect resolves: the content of a file in a folder that its workers see."""
    place = dict(endpoints.connect_passwords).get(secret, f"{endpoints.secrets}:{secret}")
    return f"${{dir:{place}}}"


def _listed(expression: str) -> str:
    # Debezium splits its lists of expressions at commas.
    return expression.replace(",", r"\,")
