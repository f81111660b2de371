"""Apache ZooKeeper, which Pinot keeps its cluster state in."""

from __future__ import annotations

from dropless.settings import LOOPBACK
from local_stack import jvm
from local_stack.context import Context
from local_stack.process import ConfigFile, Process, properties
from local_stack.versions import ZOOKEEPER

SYSTEM = "zookeeper"


def processes(context: Context) -> list[Process]:
    """One server, or an ensemble of three."""
    return [_server(context, node) for node in context.nodes("zookeeper")]


def _server(context: Context, node: int) -> Process:
    name = f"zookeeper-{node}"
    config = context.config(name) / "zoo.cfg"
    data = context.data(name) / "data"
    nodes = context.nodes("zookeeper")
    settings: dict[str, str | int] = {
        "tickTime": 1000,
        "initLimit": 20,
        "syncLimit": 10,
        "dataDir": str(data),
        "clientPort": context.port("zookeeper", node),
        "clientPortAddress": LOOPBACK,
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "ruok,srvr",
        "autopurge.snapRetainCount": 3,
        "autopurge.purgeInterval": 24,
    }
    files = [ConfigFile(config, "")]
    taken = {"ZooKeeper": context.port("zookeeper", node)}
    if len(nodes) > 1:
        for each in nodes:
            peer, election = context.port("zookeeper_peer", each), context.port("zookeeper_election", each)
            settings[f"server.{each}"] = f"{LOOPBACK}:{peer}:{election}"
        # Without it a server listens for its peers on every interface of the machine.
        settings["quorumListenOnAllIPs"] = "false"
        files.append(ConfigFile(data / "myid", f"{node}\n"))
        taken |= {
            "ZooKeeper peers": context.port("zookeeper_peer", node),
            "ZooKeeper elections": context.port("zookeeper_election", node),
        }
    files[0] = ConfigFile(config, properties(settings))
    return Process(
        system=SYSTEM,
        name=name,
        argv=jvm.command(
            context.software.java,
            f"{context.software.folder(ZOOKEEPER)}/*",
            ("org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config)),
            heap_mb=64,
            properties=(
                "-Dzookeeper.jmx.log4j.disable=true",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss",
            ),
        ),
        environment=jvm.ENVIRONMENT,
        files=tuple(files),
        ports=taken,
        directory=context.data(name),
    )
