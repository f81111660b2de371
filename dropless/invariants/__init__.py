"""The durability invariants: promises judged on what was observed, as pure functions."""

from dropless.invariants.clients import (
    CLIENTS,
    CONNECTOR,
    PINOT,
    WORKERS,
    Client,
    Connector,
    PinotStream,
    Worker,
    texts,
    under,
)
from dropless.invariants.cluster import FEATURES, INVARIANTS, Broker, Cluster, Partition, Topic, findings, unpreferred
from dropless.invariants.groups import GROUPS, Group, Groups
from dropless.invariants.model import Finding, Invariant, holds

__all__ = [
    "CLIENTS",
    "CONNECTOR",
    "FEATURES",
    "GROUPS",
    "INVARIANTS",
    "PINOT",
    "WORKERS",
    "Broker",
    "Client",
    "Cluster",
    "Connector",
    "Finding",
    "Group",
    "Groups",
    "Invariant",
    "Partition",
    "PinotStream",
    "Topic",
    "Worker",
    "findings",
    "holds",
    "texts",
    "under",
    "unpreferred",
]
