"""Apicurio Registry, used through its Confluent-compatible API; its storage is a Kafka topic."""

from __future__ import annotations

from dropless import durability
from dropless.settings import LOOPBACK
from local_stack import jvm
from local_stack.context import Context
from local_stack.process import ConfigFile, Process, properties
from local_stack.versions import APICURIO

SYSTEM = "schema_registry"


def processes(context: Context) -> list[Process]:
    """One registry, or two on the same topic."""
    return [_registry(context, node) for node in context.nodes("schema_registry")]


def _registry(context: Context, node: int) -> Process:
    name = f"schema-registry-{node}"
    config = context.config(name) / "application.properties"
    port = context.port("schema_registry", node)
    settings: dict[str, str | int] = {
        "quarkus.http.host": LOOPBACK,
        "quarkus.http.port": port,
        "quarkus.log.level": "INFO",
        "quarkus.log.file.enable": "false",
        "apicurio.storage.kind": "kafkasql",
    }
    jar = context.software.folder(APICURIO) / f"apicurio-registry-app-{APICURIO.version}-runner.jar"
    return Process(
        system=SYSTEM,
        name=name,
        argv=jvm.command(
            context.software.java,
            str(jar),
            ("io.quarkus.runner.GeneratedMain",),
            heap_mb=192,
            properties=(f"-Dquarkus.config.locations={config}",),
        ),
        environment=jvm.ENVIRONMENT,
        files=(ConfigFile(config, properties(settings | durability.registry_storage(context.endpoints))),),
        ports={"schema registry": port},
        directory=context.data(name),
    )
