"""Every local port, as an offset from the port base, and how many nodes of a system run."""

from __future__ import annotations

from dataclasses import dataclass

from dropless.settings import Settings, Topology


@dataclass(frozen=True)
class PortRange:
    """The ports of one listener kind: node 1 listens on base + first."""

    first: int
    compact: int
    full: int

    def nodes(self, topology: Topology) -> int:
        """How many nodes listen in this topology."""
        return self.compact if topology is Topology.COMPACT else self.full


# Offsets leave room so that adding a node never moves another system's port.
PORTS: dict[str, PortRange] = {
    "kafka_broker": PortRange(1, 3, 3),
    "kafka_controller": PortRange(11, 1, 3),
    "kafka_connect": PortRange(21, 1, 2),
    "schema_registry": PortRange(31, 1, 2),
    "zookeeper": PortRange(41, 1, 3),
    "zookeeper_peer": PortRange(44, 1, 3),
    "zookeeper_election": PortRange(47, 1, 3),
    "pinot_controller": PortRange(51, 1, 1),
    "pinot_broker": PortRange(52, 1, 1),
    "pinot_server": PortRange(53, 1, 3),
    "pinot_server_admin": PortRange(56, 1, 3),
    "pinot_server_grpc": PortRange(59, 1, 3),
    "minio": PortRange(71, 1, 2),
    "minio_console": PortRange(73, 1, 2),
    "postgresql": PortRange(81, 1, 1),
    "mongodb": PortRange(82, 1, 1),
    "dagster": PortRange(90, 1, 1),
    "dagster_code": PortRange(91, 1, 1),
}
# Status ports of our own processes follow, in the order in which they are declared.
STATUS_PORTS = 100


def port(settings: Settings, listener: str, node: int = 1) -> int:
    """The port of a listener's node, counted from 1."""
    return settings.port_base + PORTS[listener].first + node - 1


def ports(settings: Settings, listener: str) -> list[int]:
    """The ports of all of a listener's nodes in this topology."""
    count = PORTS[listener].nodes(settings.topology)
    return [port(settings, listener, node) for node in range(1, count + 1)]
