"""Apache Pinot: one process with all roles, or a controller, a broker and three servers.

Segments are kept in MinIO, so a server that lost its disk gets them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dropless.names import PINOT_BUCKET
from dropless.settings import LOOPBACK, Topology
from local_stack import jvm, pinot_loopback
from local_stack.context import Context
from local_stack.process import ConfigFile, Process, password, properties
from local_stack.versions import HERE, PINOT

SYSTEM = "pinot"
CLUSTER = "dropless"
S3_USER = "dropless-pinot"

Settings = dict[str, str | int]


def processes(context: Context) -> list[Process]:
    """Compact: one JVM. Full: controller, broker, servers, in the order in which they start."""
    servers = [_server(context, node) for node in context.nodes("pinot_server")]
    if context.settings.topology is Topology.COMPACT:
        return [_process(context, "pinot-1", [_controller(context), _broker(context), servers[0]], heap_mb=512)]
    return [
        _process(context, "pinot-controller-1", [_controller(context)], heap_mb=384),
        _process(context, "pinot-broker-1", [_broker(context)], heap_mb=256),
        *(_process(context, f"pinot-server-{node}", [role], heap_mb=384) for node, role in enumerate(servers, 1)),
    ]


Role = tuple[str, Settings, Mapping[str, int]]
"""A role's name, its settings, and its ports by what they are for."""


def _controller(context: Context) -> Role:
    port = context.port("pinot_controller")
    return (
        "controller",
        {
            "controller.helix.cluster.name": CLUSTER,
            "controller.zk.str": context.endpoints.zookeeper,
            "controller.host": LOOPBACK,
            **_listener("controller", port),
            # Servers upload finished segments here; it is not derived from the listener.
            "controller.vip.protocol": "http",
            "controller.vip.host": LOOPBACK,
            "controller.vip.port": port,
            "controller.data.dir": f"s3://{PINOT_BUCKET}/segments",
            "controller.local.temp.dir": str(context.data("pinot") / "controller"),
            "controller.enable.split.commit": "true",
        }
        | _deep_store(context, "pinot.controller"),
        {"Pinot controller": port},
    )


def _broker(context: Context) -> Role:
    port = context.port("pinot_broker")
    return (
        "broker",
        {
            "pinot.broker.hostname": LOOPBACK,
            **_listener("pinot.broker.client", port),
            "pinot.broker.enable.query.limit.override": "false",
        },
        {"Pinot broker": port},
    )


def _server(context: Context, node: int) -> Role:
    data = context.data("pinot") / f"server-{node}"
    netty, admin, grpc = (context.port(f"pinot_server{each}", node) for each in ("", "_admin", "_grpc"))
    return (
        "server",
        {
            "pinot.server.netty.host": LOOPBACK,
            "pinot.server.netty.port": netty,
            **_listener("pinot.server.adminapi", admin),
            "pinot.server.grpc.enable": "false",
            "pinot.server.grpc.port": grpc,
            "pinot.server.instance.dataDir": str(data / "index"),
            "pinot.server.instance.segmentTarDir": str(data / "segments"),
            "pinot.server.instance.enable.split.commit": "true",
            # Otherwise a stop waits ten seconds for queries that may still come.
            "pinot.server.shutdown.enableQueryCheck": "false",
            # Version 4 can carry NULLs, for `set enableNullHandling = true`.
            "pinot.server.instance.currentDataTableVersion": 4,
        }
        | _deep_store(context, "pinot.server"),
        {"Pinot server": netty, "Pinot server's admin API": admin},
    )


def _listener(prefix: str, port: int) -> Settings:
    # The plain port settings would listen on every interface.
    return {
        f"{prefix}.access.protocols": "http",
        f"{prefix}.access.protocols.http.host": LOOPBACK,
        f"{prefix}.access.protocols.http.port": port,
    }


def _deep_store(context: Context, prefix: str) -> Settings:
    s3 = {
        "region": context.endpoints.s3_region,
        "endpoint": context.endpoints.s3,
        "accessKey": S3_USER,
        "secretKey": password("minio_pinot"),
        "disableAcl": "true",
    }
    return {
        f"{prefix}.storage.factory.class.s3": "org.apache.pinot.plugin.filesystem.S3PinotFS",
        **{f"{prefix}.storage.factory.s3.{name}": value for name, value in s3.items()},
        f"{prefix}.segment.fetcher.protocols": "file,http,s3",
        f"{prefix}.segment.fetcher.s3.class": "org.apache.pinot.common.utils.fetcher.PinotFSSegmentFetcher",
    }


def _process(context: Context, name: str, roles: list[Role], heap_mb: int) -> Process:
    files = []
    ports: dict[str, int] = {}
    for role, settings, taken in roles:
        common: Settings = {
            "pinot.service.role": role.upper(),
            "pinot.cluster.name": CLUSTER,
            "pinot.zk.server": context.endpoints.zookeeper,
        }
        files.append(ConfigFile(context.config(name) / f"{role}.conf", properties(common | settings)))
        ports |= taken
    return Process(
        system=SYSTEM,
        name=name,
        argv=jvm.command(
            context.software.java,
            pinot_loopback.classpath(context.software.folder(PINOT)),
            (
                "org.apache.pinot.tools.admin.PinotAdministrator",
                "StartServiceManager",
                *("-zkAddress", context.endpoints.zookeeper, "-clusterName", CLUSTER, "-port", "-1"),
                *("-bootstrapConfigPaths", *(str(file.path) for file in files)),
            ),
            heap_mb=heap_mb,
            properties=(
                "-Dzk.session.timeout=6000",
                f"-Dlog4j2.configurationFile={HERE}/templates/log4j2.xml",
                f"-Djava.io.tmpdir={_temporary(context, name)}",
            ),
        ),
        environment=jvm.ENVIRONMENT,
        files=tuple(files),
        ports=ports,
        directory=context.data(name),
        stop_seconds=15,
    )


def _temporary(context: Context, name: str) -> Path:
    return context.data(name) / "tmp"


def prepare(context: Context, process: Process) -> None:
    """Make the folder for temporary files."""
    _temporary(context, process.name).mkdir(parents=True, exist_ok=True)
