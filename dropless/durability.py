"""The durability table, and every client's configuration made from it.

The table is the specification's four layers (producer, streams, broker, consumer). Whatever talks
to Kafka takes its settings from a function here; nothing else in the project spells one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from dropless.endpoints import Endpoints

Layer = Literal["producer", "streams", "broker", "consumer"]


@dataclass(frozen=True)
class Setting:
    """One row of the durability table, and what is at stake without it."""

    layer: Layer
    name: str
    required: str
    default: str
    why: str


REPLICATION_FACTOR: Final = 3
MIN_INSYNC_REPLICAS: Final = 2
# Low, as the table asks: at most this many records, or milliseconds, wait for their fsync.
FLUSH_MESSAGES: Final = 1000
FLUSH_MS: Final = 100
# How often a broker looks which logs are due. Kafka's default is never, and then the milliseconds above are idle words.
FLUSH_CHECK_MS: Final = 50
# The largest record of our topics. A raw record stays below it, so that its dead letter, which has headers too, fits.
MAX_MESSAGE_BYTES: Final = 20 * 1024 * 1024
MAX_RAW_BYTES: Final = 16 * 1024 * 1024
FOREVER_MINUTES: Final = 2**31 - 1

TABLE: Final = (
    Setting("producer", "acks", "all", "1", "a write is lost with the leader that alone has it"),
    Setting("producer", "enable.idempotence", "true", "false", "a retried write is stored twice"),
    Setting("producer", "max.in.flight.requests.per.connection", "1", "5", "a retry overtakes a later write"),
    Setting("streams", "replication.factor", str(REPLICATION_FACTOR), "1", "a lost disk is lost data"),
    Setting("streams", "processing.guarantee", "exactly_once_v2", "at_least_once", "a crash repeats rows"),
    Setting("broker", "default.replication.factor", str(REPLICATION_FACTOR), "1", "a topic is born unreplicated"),
    Setting("broker", "auto.create.topics.enable", "false", "true", "a typo becomes a topic with the wrong settings"),
    Setting("broker", "min.insync.replicas", str(MIN_INSYNC_REPLICAS), "1", "acks=all means one copy"),
    Setting("broker", "unclean.leader.election.enable", "false", "false", "a stale replica leads and truncates"),
    Setting("broker", "log.flush.interval.messages", str(FLUSH_MESSAGES), "none", "a power cut takes unflushed writes"),
    Setting("broker", "log.flush.interval.ms", str(FLUSH_MS), "none", "a power cut takes unflushed writes"),
    Setting("consumer", "enable.auto.commit", "false", "true", "offsets move past unprocessed records"),
    Setting("consumer", "isolation.level", "read_committed", "read_uncommitted", "aborted rows are read"),
)


def layer(name: Layer) -> dict[str, str]:
    """The required settings of one layer, by name."""
    return {setting.name: setting.required for setting in TABLE if setting.layer == name}


# --- brokers and topics -------------------------------------------------------------------------


def broker() -> dict[str, str]:
    """What every broker and controller runs with, internal topics included."""
    return layer("broker") | {
        "log.flush.scheduler.interval.ms": str(FLUSH_CHECK_MS),
        # From the start on: by default a broker looks for the first time after half a minute.
        "log.initial.task.delay.ms": str(FLUSH_CHECK_MS),
        "offsets.topic.replication.factor": str(REPLICATION_FACTOR),
        "transaction.state.log.replication.factor": str(REPLICATION_FACTOR),
        "transaction.state.log.min.isr": str(MIN_INSYNC_REPLICAS),
        "share.coordinator.state.topic.replication.factor": str(REPLICATION_FACTOR),
        "share.coordinator.state.topic.min.isr": str(MIN_INSYNC_REPLICAS),
        # A group that nobody is in for a week would be forgotten, and begin at the beginning: every row once more.
        "offsets.retention.minutes": str(FOREVER_MINUTES),
        # A dead producer's open transaction blocks every read_committed reader until it is aborted.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    }


def topic() -> dict[str, str]:
    """The topic-level overrides that hold a topic to the table whatever the brokers say."""
    return {
        "min.insync.replicas": str(MIN_INSYNC_REPLICAS),
        "unclean.leader.election.enable": "false",
    }


PINOT_JAAS: Final = "KAFKA_JAAS_CONFIG"
"""The variable in which Pinot's pods have their login at Kafka."""
PINOT_AUTHORITY: Final = "/mnt/kafka-ca/ca.crt"
"""Where they have the certificate of whoever signed the brokers'."""


def topic_flushing() -> dict[str, str]:
    """What a topic's flush settings are when it overrides nothing: the brokers', under the topic's names for them."""
    flushing = layer("broker")
    return {
        "flush.messages": flushing["log.flush.interval.messages"],
        "flush.ms": flushing["log.flush.interval.ms"],
    }


# --- Java clients -------------------------------------------------------------------------------


# Who they are and whom they trust, Java clients are told otherwise than librdkafka: by references, in their own pods.
_ONLY_LIBRDKAFKA: Final = ("sasl.username", "sasl.password", "sasl.mechanisms", "ssl.ca.location")


def _security(endpoints: Endpoints, prefix: str = "") -> dict[str, str]:
    return {f"{prefix}{name}": value for name, value in endpoints.kafka_security if name not in _ONLY_LIBRDKAFKA}


def connect_worker(endpoints: Endpoints) -> dict[str, str]:
    """A Connect worker's clients: its own, its producers' and its consumers'."""
    config = {"bootstrap.servers": endpoints.kafka} | _security(endpoints)
    for prefix in ("producer.", "consumer.", "admin."):
        config |= _security(endpoints, prefix)
    return config | worker_layers()


def worker_layers() -> dict[str, str]:
    """What of a Connect worker's configuration the table demands, wherever its brokers are."""
    config = {f"producer.{name}": value for name, value in layer("producer").items()}
    config |= {f"consumer.{name}": value for name, value in layer("consumer").items()}
    config |= {
        f"{store}.storage.replication.factor": str(REPLICATION_FACTOR) for store in ("config", "offset", "status")
    }
    return config | {"exactly.once.source.support": "enabled"}


def connector() -> dict[str, str]:
    """What every source connector's own producer runs with, and its exactly-once demand."""
    overrides = {f"producer.override.{name}": value for name, value in layer("producer").items()}
    return overrides | {
        "exactly.once.support": "required",
        # Bounds how long a killed worker's open transaction can hold up its successor (63 s seen otherwise).
        "producer.override.transaction.timeout.ms": "10000",
        "producer.override.max.request.size": str(MAX_RAW_BYTES),
    }


def registry_storage(endpoints: Endpoints) -> dict[str, str]:
    """The schema registry's journal: its topics, and its own producer and consumer, as Apicurio's properties."""
    config = {
        "apicurio.kafkasql.bootstrap.servers": endpoints.kafka,
        # No replication factor: Apicurio 3.0.9 takes as many as there are brokers, at most three, and passes
        # a stated one on as a topic setting, which Kafka refuses. It starts when all three brokers are up.
        "apicurio.kafkasql.topic.min.insync.replicas": str(MIN_INSYNC_REPLICAS),
    }
    for client in ("producer", "consumer", "admin"):
        config |= _security(endpoints, f"apicurio.kafkasql.{client}.")
    config |= {f"apicurio.kafkasql.producer.{name}": value for name, value in layer("producer").items()}
    # Each start replays the whole journal in a group of its own, so there are no offsets to commit.
    return config | {f"apicurio.kafkasql.consumer.{name}": value for name, value in layer("consumer").items()}


def confluent_registry() -> dict[str, str]:
    """Confluent's registry, whose journal's producer waits for all replicas by itself."""
    return {"kafkastore.topic.replication.factor": str(REPLICATION_FACTOR)}


def ksqldb() -> dict[str, str]:
    """A ksqlDB server: its streams' clients, their internal topics, and the topics that its statements make."""
    config = {f"ksql.streams.producer.{name}": value for name, value in layer("producer").items()}
    config |= {f"ksql.streams.consumer.{name}": value for name, value in layer("consumer").items()}
    streams = layer("streams")
    return config | {
        "ksql.streams.processing.guarantee": streams["processing.guarantee"],
        "ksql.streams.replication.factor": streams["replication.factor"],
        "ksql.internal.topic.replicas": streams["replication.factor"],
        "ksql.internal.topic.min.insync.replicas": str(MIN_INSYNC_REPLICAS),
        "ksql.sink.replicas": streams["replication.factor"],
        # Bounds how long a dead server's open transactions hold up whoever reads what it wrote.
        "ksql.streams.producer.transaction.timeout.ms": "10000",
    }


def ksqldb_statement() -> dict[str, str]:
    """What each statement is sent with: a server's own guarantee is not kept with the queries that it starts."""
    guarantee = "ksql.streams.processing.guarantee"
    # By default a query begins at the end and skips what is there.
    return {guarantee: ksqldb()[guarantee], "ksql.streams.auto.offset.reset": "earliest"}


def rest_proxy() -> dict[str, str]:
    """The REST Proxy's clients: all of the table but idempotence, which it turns off whatever it is told (8.3.1)."""
    producer = {name: value for name, value in layer("producer").items() if name != "enable.idempotence"}
    config = {f"producer.{name}": value for name, value in producer.items()}
    return config | {f"consumer.{name}": value for name, value in layer("consumer").items()}


def pinot_stream(endpoints: Endpoints) -> dict[str, str]:
    """Pinot's consumer, as properties of a table's stream configuration.

    Pinot hands the whole map to its Kafka consumer, so a property without Pinot's prefix is the consumer's own.
    """
    security = _security(endpoints)
    if security.get("security.protocol", "").startswith("SASL"):
        # A variable of the servers' own, which Pinot puts in when it reads the table: no password is in a table.
        security["sasl.jaas.config"] = f"${{{PINOT_JAAS}}}"
    if dict(endpoints.kafka_security).get("ssl.ca.location"):
        security |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": PINOT_AUTHORITY}
    return {"stream.kafka.broker.list": endpoints.kafka} | pinot_layer() | security


def pinot_layer() -> dict[str, str]:
    """What of a Pinot table's stream configuration the table demands, wherever its brokers are."""
    return {"stream.kafka.isolation.level": layer("consumer")["isolation.level"]} | layer("consumer")


# --- librdkafka clients -------------------------------------------------------------------------

ClientConfig = dict[str, str | int | float | bool]


def _client(endpoints: Endpoints, client_id: str) -> ClientConfig:
    config: ClientConfig = {
        "bootstrap.servers": endpoints.kafka,
        "client.id": client_id,
        # A restarted broker is found again within a second.
        "reconnect.backoff.max.ms": 1000,
    }
    return config | dict(endpoints.kafka_security)


def admin_client(endpoints: Endpoints, client_id: str = "dropless.admin") -> ClientConfig:
    """An AdminClient that gives up after seconds, not minutes."""
    # Silent: what fails is raised, and librdkafka would repeat it twenty times a second on stderr.
    return _client(endpoints, client_id) | {"socket.timeout.ms": 10000, "log_level": 0}


# How kafka-python calls what librdkafka calls otherwise.
_KAFKA_PYTHON: Final = {
    "security.protocol": "security_protocol",
    "ssl.ca.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
}


def reassignment_client(endpoints: Endpoints) -> dict[str, Any]:
    """kafka-python's AdminClient, for what librdkafka cannot ask for."""
    security = {_KAFKA_PYTHON[name]: value for name, value in endpoints.kafka_security if name in _KAFKA_PYTHON}
    return {
        "bootstrap_servers": endpoints.kafka.split(","),
        "client_id": "dropless.reassignment",
        "request_timeout_ms": 10000,
    } | security


def group_client(endpoints: Endpoints) -> dict[str, Any]:
    """The same for groups' offsets: it is asked by who waits for seconds only."""
    return reassignment_client(endpoints) | {
        "client_id": "dropless.watch",
        "request_timeout_ms": 3000,
        "bootstrap_timeout_ms": 3000,
    }


def transactional_producer(endpoints: Endpoints, transactional_id: str) -> ClientConfig:
    """The producer of one exactly-once process, tuned for one transaction per batch."""
    return (
        _client(endpoints, transactional_id)
        | layer("producer")
        | {
            "transactional.id": transactional_id,
            # A dead process blocks read_committed readers at most this long.
            "transaction.timeout.ms": 10000,
            # Above the transaction's, as far as librdkafka allows: a request given up earlier may still arrive, and
            # a late EndTxn ends a later transaction (KAFKA-17754).
            "socket.timeout.ms": 10100,
            # Java's partitioner; librdkafka's default would put a key's rows in two partitions.
            "partitioner": "murmur2_random",
            # Also the largest record: one that was captured must never be too large to pass on.
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "compression.type": "lz4",
            "linger.ms": 5,
            "batch.size": 1048576,
            "queue.buffering.max.messages": 100000,
            # Each commit pays one back-off (confluent-kafka-python#967).
            "retry.backoff.ms": 10,
        }
    )


def consumer(endpoints: Endpoints, group: str, client_id: str) -> ClientConfig:
    """A consumer of committed records that commits nothing by itself; memory is bounded."""
    return (
        _client(endpoints, client_id)
        | layer("consumer")
        | {
            "group.id": group,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "check.crcs": True,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 2000,
            "queued.min.messages": 40000,
            "queued.max.messages.kbytes": 16384,
            # A fetch waits at the broker for this long, or for the first record: asked twenty times a second, the
            # brokers would spend a twentieth of a core on each idle consumer, and no record would come sooner.
            "fetch.wait.max.ms": 500,
            # The default stalls a partition for up to a second.
            "fetch.queue.backoff.ms": 10,
            "fetch.error.backoff.ms": 100,
        }
    )


def progress_consumer(endpoints: Endpoints, group: str, client_id: str) -> ClientConfig:
    """A client that asks for a group's offsets and reads no record; read_committed would wait for pending offsets."""
    return consumer(endpoints, group, client_id) | {"isolation.level": "read_uncommitted"}


def positioned_consumer(endpoints: Endpoints, group: str, client_id: str) -> ClientConfig:
    """A consumer whose start is always named, so that records gone before they were read are an error."""
    return consumer(endpoints, group, client_id) | {
        "auto.offset.reset": "error",
        # Ends are reported, so that lag is known although commit markers occupy offsets too.
        "enable.partition.eof": True,
        # A topic or partition made later is found in seconds; the default is five minutes.
        "topic.metadata.refresh.interval.ms": 5000,
    }


def dating_consumer(endpoints: Endpoints, group: str, client_id: str) -> ClientConfig:
    """A positioned consumer that sees open transactions too: to learn how old a record is, never to use it."""
    return positioned_consumer(endpoints, group, client_id) | {"isolation.level": "read_uncommitted"}


def union_consumer(endpoints: Endpoints, group: str, instance: str) -> ClientConfig:
    """The consumer of one union process, a static member: its restart moves no partition."""
    return positioned_consumer(endpoints, group, instance) | {"group.instance.id": instance}


def shown(config: ClientConfig) -> ClientConfig:
    """A client's configuration as it may be shown to people: secrets are left out."""
    secret = ("password", ".pem", "secret", "sasl.username", "oauthbearer")
    return {name: value for name, value in sorted(config.items()) if not any(word in name for word in secret)}
