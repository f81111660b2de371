"""Kafka's users and what each may do: no more than its work needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dropless import names

CONNECT_GROUP: Final = "connect"
KSQLDB_SERVICE: Final = "dropless_"
REST_TOPICS: Final = names.REST_TOPICS
"""The REST Proxy's producer cannot be idempotent, so it may write to topics of this prefix only: none of ours."""

Acl = dict[str, Any]


def prefix(name: str) -> str:
    """What every name of a kind begins with, from one that was made of empty parts."""
    return name.split("..", maxsplit=1)[0].rstrip(".") + "."


_RAW: Final = prefix(names.raw_topic("", ""))
_HEARTBEAT: Final = prefix(names.heartbeat_topic("", ""))
_SIGNAL: Final = prefix(names.signal_topic("", ""))
_UNIFIED: Final = prefix(names.unified_topic(""))
_DEAD: Final = prefix(names.dead_topic(""))
_READ: Final = ("Read", "Describe")
_WRITE: Final = ("Write", "Describe")
_SHOWN: Final = ("Describe", "DescribeConfigs")


def users() -> list[dict[str, Any]]:
    """Every user, as our chart takes them."""
    granted = {
        "connect": _connect(),
        "union": [
            *_topics(_READ, _RAW),
            *_topics(_WRITE, _UNIFIED, _DEAD),
            _acl("group", prefix(names.union_group("")), "Read", "Describe"),
            _acl("transactionalId", prefix(names.union_transactional_id("", 0)), *_WRITE),
        ],
        "lake": [*_topics(_READ, _UNIFIED), _acl("group", prefix(names.lake_group("")), "Read", "Describe")],
        "schema-registry": [
            _acl("topic", "_schemas", "Create", "Read", "Write", *_SHOWN, prefixed=False),
            _acl("group", "schema-registry", "Read", "Describe", prefixed=False),
        ],
        "rest-proxy": [
            *_topics(("Read", "Write", *_SHOWN), REST_TOPICS),
            _acl("group", REST_TOPICS, "Read", "Describe"),
            _cluster("Describe"),
        ],
        "ksqldb": _ksqldb(),
        "pinot": _topics(("Read", *_SHOWN), _UNIFIED),
        "dagster": _dagster(),
        "lenses": [
            *_topics(("Read", *_SHOWN), _RAW, _UNIFIED, _DEAD, _HEARTBEAT),
            _acl("group", "*", "Describe", prefixed=False),
            _cluster("Describe", "DescribeConfigs"),
        ],
    }
    return [{"name": name, "acls": acls} for name, acls in granted.items()]


def _connect() -> list[Acl]:
    return [
        *_topics(("Create", "Write", *_SHOWN), _RAW, _HEARTBEAT, _SIGNAL),
        _acl("topic", f"{CONNECT_GROUP}.", "Create", "Read", "Write", *_SHOWN),
        _acl("group", CONNECT_GROUP, "Read", "Describe", prefixed=False),
        # Exactly-once sources: the leader's own transactions, then each task's.
        _acl("transactionalId", f"connect-cluster-{CONNECT_GROUP}", *_WRITE, prefixed=False),
        _acl("transactionalId", f"{CONNECT_GROUP}-", *_WRITE),
        _cluster("Describe"),
    ]


def _ksqldb() -> list[Acl]:
    internal = f"_confluent-ksql-{KSQLDB_SERVICE}"
    return [
        *_topics(("Read", *_SHOWN), _RAW),
        *_topics(("Read", "Write", *_SHOWN), _UNIFIED, _DEAD),
        _acl("topic", internal, "Alter", "AlterConfigs", "Create", "Delete", "Read", "Write", *_SHOWN),
        _acl("group", internal, "Delete", "Read", "Describe"),
        # Its streams' transactions, and those of its command topic.
        _acl("transactionalId", internal, *_WRITE),
        _acl("transactionalId", KSQLDB_SERVICE, *_WRITE),
        _cluster("DescribeConfigs"),
    ]


def _dagster() -> list[Acl]:
    """It makes and watches all topics, and replays dead letters."""
    topics = ("Alter", "AlterConfigs", "Create", "Delete", "Read", *_SHOWN)
    return [
        *_topics(topics, _RAW, _UNIFIED, _DEAD, _HEARTBEAT, _SIGNAL),
        *_topics(("Write",), _UNIFIED, _SIGNAL, _HEARTBEAT),
        _acl("topic", "*", *_SHOWN, prefixed=False),
        _acl("group", "*", "Delete", "Read", "Describe", prefixed=False),
        _acl("transactionalId", "*", "Describe", prefixed=False),
        _acl("transactionalId", prefix(names.replay_transactional_id("")), *_WRITE),
        # Reassignments, and their throttles on the brokers.
        _cluster("Alter", "AlterConfigs", "Describe", "DescribeConfigs"),
    ]


def _topics(operations: Iterable[str], *prefixes: str) -> list[Acl]:
    return [_acl("topic", prefix, *operations) for prefix in prefixes]


def _acl(kind: str, name: str, *operations: str, prefixed: bool = True) -> Acl:
    resource = {"type": kind, "name": name, "patternType": "prefix" if prefixed else "literal"}
    return {"resource": resource, "operations": sorted(set(operations))}


def _cluster(*operations: str) -> Acl:
    return {"resource": {"type": "cluster"}, "operations": sorted(operations)}
