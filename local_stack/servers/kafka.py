"""Apache Kafka in KRaft mode: three brokers, with the controllers in processes of their own.

Separate controllers keep the quorum when two brokers are lost, so that what the third has stays readable.
"""

from __future__ import annotations

import base64
import uuid
from pathlib import Path
from typing import Literal

from dropless import durability, passwords
from dropless.settings import LOOPBACK, Settings
from local_stack import jvm
from local_stack.commands import run
from local_stack.context import Context
from local_stack.process import ConfigFile, Process, properties
from local_stack.versions import HERE, KAFKA

SYSTEM = "kafka"
# Broker ids are 1, 2, 3; controllers follow far behind.
FIRST_CONTROLLER_ID = 100

Role = Literal["controller", "broker"]
HEAP_MB: dict[Role, int] = {"controller": 128, "broker": 256}


def processes(context: Context) -> list[Process]:
    """Controllers first: brokers are stopped before them and started after them."""
    controllers = [_node(context, "controller", node) for node in context.nodes("kafka_controller")]
    brokers = [_node(context, "broker", node) for node in context.nodes("kafka_broker")]
    return [*controllers, *brokers]


def _node(context: Context, role: Role, node: int) -> Process:
    name = f"kafka-{role}-{node}"
    config = context.config(name) / "server.properties"
    port = context.port(f"kafka_{role}", node)
    return Process(
        system=SYSTEM,
        name=name,
        argv=java_command(context, ("kafka.Kafka", str(config)), heap_mb=HEAP_MB[role]),
        environment=jvm.ENVIRONMENT,
        files=(ConfigFile(config, properties(_settings(context, name, role, node))),),
        ports={f"Kafka {role}": port},
        directory=context.data(name),
        stop_seconds=30,
    )


def java_command(context: Context, main: tuple[str, ...], *, heap_mb: int) -> tuple[str, ...]:
    """A Java command with Kafka's class path."""
    folder = context.software.folder(KAFKA)
    return jvm.command(
        context.software.java,
        f"{folder}/*",
        main,
        heap_mb=heap_mb,
        properties=(f"-Dlog4j2.configurationFile={HERE}/templates/log4j2.xml",),
    )


def _settings(context: Context, name: str, role: Role, node: int) -> dict[str, str | int]:
    voters = [
        f"{FIRST_CONTROLLER_ID + each}@{LOOPBACK}:{context.port('kafka_controller', each)}"
        for each in context.nodes("kafka_controller")
    ]
    settings: dict[str, str | int] = {
        "process.roles": role,
        "node.id": node if role == "broker" else FIRST_CONTROLLER_ID + node,
        "controller.quorum.voters": ",".join(voters),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(context.data(name) / "log"),
        # A killed broker that comes back waits this long for its own old session.
        "broker.session.timeout.ms": 4000,
        "broker.heartbeat.interval.ms": 1000,
        "group.initial.rebalance.delay.ms": 0,
        # Fewer partitions of the internal topics: 50 each on three brokers of one machine only cost memory.
        "offsets.topic.num.partitions": 6,
        "transaction.state.log.num.partitions": 6,
        "share.coordinator.state.topic.num.partitions": 3,
        "num.partitions": 3,
        "log.segment.bytes": 128 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "controlled.shutdown.enable": "true",
        "replica.lag.time.max.ms": 10000,
    }
    if role == "broker":
        port = context.port("kafka_broker", node)
        settings |= {
            "listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
            "inter.broker.listener.name": "PLAINTEXT",
        }
    else:
        settings["listeners"] = f"CONTROLLER://{LOOPBACK}:{context.port('kafka_controller', node)}"
    return settings | durability.broker()


def prepare(context: Context, process: Process) -> None:
    """Format the storage of a node that has none."""
    if (process.directory / "log" / "meta.properties").exists():
        return
    configuration = str(process.files[0].path)
    run(
        java_command(
            context,
            # In one word: one in 64 begins with a hyphen, and would be taken for an option.
            ("kafka.tools.StorageTool", "format", f"--cluster-id={_cluster_id(context)}", "-c", configuration),
            heap_mb=64,
        ),
        what=f"Formatting the storage of {process.name}",
        log=context.settings.logs / f"{process.name}.format.log",
    )


def cluster_id_file(settings: Settings) -> Path:
    """Where the cluster's id is kept, drawn once."""
    return settings.data / "kafka-cluster-id"


def _cluster_id(context: Context) -> str:
    file = cluster_id_file(context.settings)
    if not file.exists():
        passwords.write(file, base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
    return file.read_text()
