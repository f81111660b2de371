"""Kafka Connect in distributed mode, with Debezium's two connectors as plugins."""

from __future__ import annotations

from dropless import durability
from dropless.settings import LOOPBACK
from local_stack import jvm
from local_stack.context import Context
from local_stack.process import ConfigFile, Process, properties
from local_stack.servers.kafka import java_command
from local_stack.versions import DEBEZIUM_MONGODB, DEBEZIUM_POSTGRESQL

SYSTEM = "kafka_connect"


def processes(context: Context) -> list[Process]:
    """One worker, or two that share the connectors."""
    return [_worker(context, node) for node in context.nodes("kafka_connect")]


def _worker(context: Context, node: int) -> Process:
    name = f"kafka-connect-{node}"
    config = context.config(name) / "worker.properties"
    port = context.port("kafka_connect", node)
    plugins = [context.software.folder(each) for each in (DEBEZIUM_POSTGRESQL, DEBEZIUM_MONGODB)]
    settings: dict[str, str | int] = {
        "group.id": "dropless-connect",
        "listeners": f"http://{LOOPBACK}:{port}",
        "rest.advertised.host.name": LOOPBACK,
        "rest.advertised.port": port,
        "plugin.path": ",".join(str(folder) for folder in plugins),
        "plugin.discovery": "service_load",
        "config.storage.topic": "connect.configs",
        "offset.storage.topic": "connect.offsets",
        "offset.storage.partitions": 3,
        "status.storage.topic": "connect.status",
        "status.storage.partitions": 3,
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "connector.client.config.override.policy": "All",
        # A connector's configuration names a password's file; the worker reads it from here alone.
        "config.providers": "dir",
        "config.providers.dir.class": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
        "config.providers.dir.param.allowed.paths": str(context.settings.secrets),
        # How long a lost worker's connectors wait for it to come back.
        "scheduled.rebalance.max.delay.ms": 3000,
        "offset.flush.interval.ms": 2000,
        "task.shutdown.graceful.timeout.ms": 10000,
    }
    return Process(
        system=SYSTEM,
        name=name,
        argv=java_command(context, ("org.apache.kafka.connect.cli.ConnectDistributed", str(config)), heap_mb=384),
        environment=jvm.ENVIRONMENT,
        files=(ConfigFile(config, properties(settings | durability.connect_worker(context.endpoints))),),
        ports={"Kafka Connect": port},
        directory=context.data(name),
        stop_seconds=20,
    )
