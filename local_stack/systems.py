"""All systems together: their processes, and in which order they start and stop."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from local_stack.context import Context
from local_stack.process import Process
from local_stack.servers import (
    dagster,
    kafka,
    kafka_connect,
    minio,
    mongodb,
    own,
    pinot,
    postgresql,
    schema_registry,
    zookeeper,
)

SERVERS: dict[str, ModuleType] = {
    "postgresql": postgresql,
    "mongodb": mongodb,
    "minio": minio,
    "zookeeper": zookeeper,
    "kafka": kafka,
    "schema_registry": schema_registry,
    "kafka_connect": kafka_connect,
    "pinot": pinot,
    "union": own,
    "lake_writer": own,
    "dagster": dagster,
}

# What must be healthy before a system is started. The registry's topics would otherwise get fewer replicas.
NEEDS: dict[str, tuple[str, ...]] = {
    "schema_registry": ("kafka",),
    "kafka_connect": ("kafka",),
    "pinot": ("zookeeper", "minio"),
    "union": ("kafka",),
    "lake_writer": ("kafka", "minio"),
}

# What is written to stops after what writes to it: brokers after their clients, controllers after the brokers.
_STOPPED_LAST = (
    ("pinot", "schema-registry", "kafka-connect", "postgresql", "mongodb"),
    ("kafka-broker",),
    ("kafka-controller", "zookeeper", "minio"),
)


def processes(context: Context) -> list[Process]:
    """Every process that must run, in the order of starting."""
    return [process for server in dict.fromkeys(SERVERS.values()) for process in server.processes(context)]


def prepare(context: Context, process: Process) -> None:
    """What a process needs besides its files before it can start, such as formatted storage."""
    server = SERVERS[process.system]
    if hasattr(server, "prepare"):
        server.prepare(context, process)


def stop_waves(names: Iterable[str]) -> list[list[str]]:
    """Names of processes, in groups that are stopped one after the other.

    Ours and Dagster first. It goes by the names, so that it also works when a contract is broken.
    """
    waves: list[list[str]] = [[] for _ in range(len(_STOPPED_LAST) + 1)]
    for name in names:
        place = next((index for index, prefixes in enumerate(_STOPPED_LAST, 1) if name.startswith(prefixes)), 0)
        waves[place].append(name)
    return [wave for wave in waves if wave]
