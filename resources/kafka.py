"""Kafka topics: created replicated, configured incrementally, moved with care, never shrunk or made anew unasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka.admin import TopicDescription

from dropless import names, placement
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lag import Position
from dropless.placement import Placement
from dropless.plan import Action, Change, Json, Resource
from resources.adapter import Progress
from resources.managed import managed
from resources.rebuild import start_over
from resources.restarts import starts_over
from resources.topic_admin import MOVE_BYTES_PER_SECOND, THROTTLED, Overrides, TopicAdmin
from resources.topic_history import TopicHistory
from resources.topic_safety import REMADE, asks_history, positions, refusal
from resources.waiting import until

STOP_IT = "stop it, or let `dropless apply` do it."


class Topics:
    """Topics of the Kafka cluster.

    A topic holds what it was created with: partitions can be added only where the hint `keyed` is
    False, since adding one sends a key's later records to another partition, out of order. A raw
    topic (hint `role`) is also held to its `epoch`: its records are numbered on, never again.
    """

    def __init__(self, endpoints: Endpoints, move_bytes_per_second: int = MOVE_BYTES_PER_SECOND) -> None:
        self._endpoints = endpoints
        self._admin = TopicAdmin(endpoints)
        self._history = TopicHistory(endpoints)
        self._rate = move_bytes_per_second

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """Partitions, replicas and where they lie, and the overrides that desired names."""
        described = self._admin.describe([resource.name for resource in desired])
        overrides = self._admin.overrides(list(described))
        brokers = self._admin.brokers() if described else []
        # Before the ends are asked for: rows can only come from records that were there.
        asked = [each for each in desired if "positions" in each.properties and each.name in described]
        newest = self._history.newest_positions(dict.fromkeys(each.hints["table"] for each in asked))
        found = {}
        for resource in desired:
            topic = described.get(resource.name)
            if topic is None or resource.name not in overrides:
                continue
            properties: dict[str, Json] = {
                "partitions": len(topic.partitions),
                "replication_factor": min(len(partition.replicas) for partition in topic.partitions),
                "placement": _placed(topic, overrides[resource.name], brokers),
                "config": overrides[resource.name],
            }
            if "positions" in resource.properties:
                properties["positions"] = self._positions(resource, topic, newest)
            found[resource.id] = Resource(
                resource.system, resource.kind, resource.name, managed(resource.properties, properties)
            )
        return found

    def check(self, change: Change) -> None:
        """Refuse what would lose data or order.

        Raises:
            Unsafe: what would be lost can be made again.
            DroplessError: it cannot, or records would be out of order.
        """
        made_in = self._history.epoch(change.desired) if asks_history(change) else None
        if error := refusal(change, made_in):
            raise error

    def apply(self, change: Change) -> None:
        """Create the topic, or set its overrides, add partitions and move replicas."""
        self.advance(change, lambda _: None)

    def advance(self, change: Change, progress: Progress) -> None:
        """Apply a change; moving replicas takes as long as copying them at the move rate."""
        self.check(change)
        topic = change.desired
        if change.action is Action.CREATE:
            if starts_over(change):
                self._admin.await_empty(names.union_group(topic.hints["table"]), STOP_IT)
            self._admin.create(topic)
            return
        paths = {each.path for each in change.properties}
        overrides = {path.removeprefix("config/") for path in paths if path.startswith("config/")}
        if overrides:
            self._admin.override(topic.name, {each: topic.properties["config"][each] for each in overrides})
        if "partitions" in paths:
            placed = _replicas(self._admin.describe([topic.name])[topic.name])
            factor = max(map(len, placed.values()))
            fresh = placement.added(placed, self._admin.brokers(), factor, topic.properties["partitions"])
            self._admin.add_partitions(topic.name, placed, fresh)
        if {"replication_factor", "placement"} & paths:
            self._move(topic, progress)

    def replace(self, change: Change, progress: Progress) -> None:
        """Make a topic anew; for an output of the union, everything that is made from it too."""
        topic = change.desired
        if topic.hints.get("role") in REMADE:
            self._admin.await_empty(names.union_group(topic.hints["table"]), STOP_IT)
            start_over(self._endpoints, self._admin, topic, progress)
            return
        if topic.hints.get("role"):
            self._admin.await_empty(names.union_group(topic.hints["table"]), STOP_IT)
        progress(f"making topic {topic.name} anew")
        self._admin.delete(topic.name)
        self._admin.create(topic)

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until every partition has a leader and all of its replicas are in sync."""
        wanted = {resource.name: resource.properties["partitions"] for resource in desired}

        def missing() -> str | None:
            described = self._admin.describe(list(wanted))
            for name, partitions in wanted.items():
                topic = described.get(name)
                if topic is None or len(topic.partitions) < partitions:
                    return f"topic {name!r} is not known to every broker yet."
                if reason := _unready(topic):
                    return reason
            return None

        if wanted:
            until("Kafka", missing, timeout_seconds)

    def _move(self, topic: Resource, progress: Progress) -> None:
        brokers = self._admin.brokers()
        placed = _replicas(self._admin.describe([topic.name])[topic.name])
        factor = topic.properties["replication_factor"]
        if len(brokers) < factor:
            raise DroplessError(f"Topic {topic.name!r} should have {factor} replicas, but {len(brokers)} brokers run.")
        from resources.reassignment import Reassignment  # noqa: PLC0415 - kafka-python makes every command start later

        target = placement.target(placed, brokers, factor)
        Reassignment(self._endpoints, self._admin.client, self._rate).move(topic.name, placed, target, progress)
        self._admin.elect_preferred(topic.name, list(placed))

    def _positions(self, topic: Resource, described: TopicDescription, newest: Mapping[Position, int]) -> str:
        ends = self._admin.ends(topic.name, [partition.id for partition in described.partitions])
        here = {number: position for (name, number), position in newest.items() if name == topic.name}
        return positions(topic.hints["epoch"], ends, here)


def _replicas(topic: TopicDescription) -> Placement:
    return {partition.id: [node.id for node in partition.replicas] for partition in topic.partitions}


def _placed(topic: TopicDescription, overrides: Overrides, brokers: Sequence[int]) -> str:
    told = placement.described(_replicas(topic), brokers)
    # A move that was killed leaves its throttle, which would hold up a replica that catches up later.
    return f"{told}, but still throttled" if any(overrides.get(name) for name in THROTTLED) else told


def _unready(topic: TopicDescription) -> str | None:
    for partition in topic.partitions:
        if partition.leader is None or partition.leader.id < 0:
            return f"partition {partition.id} of topic {topic.name!r} has no leader."
        if len(partition.isr) < len(partition.replicas):
            return (
                f"partition {partition.id} of topic {topic.name!r} has {len(partition.isr)} of "
                f"{len(partition.replicas)} replicas in sync."
            )
    return None
