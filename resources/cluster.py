"""The Kafka cluster as it runs: brokers, topics, offsets, groups. Asks only, and never consumes."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, lru_cache

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    ListOffsetsResultInfo,
    OffsetSpec,
    ResourceType,
)

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.errors import Unreachable
from dropless.group_admin import GroupAdmin
from dropless.invariants import Broker, Cluster, Group, Partition, Topic
from dropless.lag import Position
from resources.features import finalized_features
from resources.kafka_answers import result, settling

# A sensor's whole tick has ten seconds.
REQUEST_SECONDS = 4
# One broker that is silent must not cost the answers of the others.
BROKER_SECONDS = 2
SETTLE_SECONDS = 0.1
# So long a record may take to reach its replicas before a topic's newest record is told without it.
REPLICATION_SECONDS = 2.0
METADATA_SECONDS = 1.0


@lru_cache(maxsize=2)
def shared_view(endpoints: Endpoints) -> ClusterView:
    """A view whose connections are kept, for whoever looks again and again."""
    return ClusterView(endpoints)


class ClusterView:
    """One AdminClient's view of the cluster, bounded in time.

    Every method raises `Unreachable` when no broker answers within seconds.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._group_admin = GroupAdmin(endpoints)
        self._fresh = threading.Lock()
        self._kept: tuple[float, ClusterMetadata] | None = None

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(durability.admin_client(self._endpoints, "dropless.watch"))

    def cluster(self) -> Cluster:
        """All brokers that answer and all topics, internal ones too, with their effective configuration."""
        metadata = self._metadata()
        brokers, silent = self._brokers(sorted(metadata.brokers))
        configs = self._config(ResourceType.TOPIC, metadata.topics)
        topics = [
            Topic(
                name,
                tuple(
                    Partition(
                        each.id, each.leader if each.leader >= 0 else None, tuple(each.replicas), tuple(each.isrs)
                    )
                    for each in topic.partitions.values()
                ),
                configs[name],
            )
            for name, topic in sorted(metadata.topics.items())
            # Deleted since the metadata was read.
            if name in configs
        ]
        try:
            features = finalized_features(self._endpoints)
        except Unreachable:
            features = None
        return Cluster(brokers, tuple(topics), features, silent)

    def check(self) -> None:
        """See that a broker answers, before anything that would wait for one again and again."""
        self._metadata()

    def topic_config(self, topic: str) -> dict[str, str]:
        """A topic's effective configuration."""
        return self._config(ResourceType.TOPIC, [topic])[topic]

    def partitions(self, topics: Collection[str]) -> list[Position]:
        """Every partition of those topics that exist."""
        known = self._recent_metadata().topics
        return [(name, number) for name in topics if name in known for number in known[name].partitions]

    def starts(self, partitions: Iterable[Position]) -> dict[Position, int]:
        """Each partition's first offset."""
        return self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def ends(self, partitions: Iterable[Position]) -> dict[Position, int]:
        """Each partition's next offset, open transactions included."""
        return self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def newest(self, partitions: Iterable[Position]) -> datetime | None:
        """The time of the newest record; None when there is none."""
        return max(self.newest_of_topics(partitions).values(), default=None)

    def newest_of_topics(self, partitions: Iterable[Position]) -> dict[str, datetime]:
        """The time of each topic's newest record, found by the index; topics without one are left out.

        Open transactions are included. A record that its replicas do not have yet hides those before it: Kafka then
        tells of none at all, and is asked again for a moment.
        """
        places, newest = list(partitions), dict[str, int]()
        deadline = time.monotonic() + REPLICATION_SECONDS
        while places:
            answers = self._answers(places, OffsetSpec.max_timestamp())  # type: ignore[no-untyped-call]
            for (topic, _), answer in answers.items():
                newest[topic] = max(answer.timestamp, newest.get(topic, -1))
            places = self._filled([place for place, answer in answers.items() if answer.timestamp < 0])
            if not places or time.monotonic() > deadline:
                break
            time.sleep(SETTLE_SECONDS)
        return {topic: datetime.fromtimestamp(at / 1000, UTC) for topic, at in newest.items() if at >= 0}

    def open_transactions(self, partitions: Iterable[Position]) -> dict[Position, int]:
        """The first offset of each partition's oldest open transaction; partitions without one are left out."""
        places = list(partitions)
        # The ends first: a transaction that begins in between is then not taken for one that has come so far.
        ends = self.ends(places)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        committed = self._answers(places, latest, IsolationLevel.READ_COMMITTED)
        return {place: answer.offset for place, answer in committed.items() if answer.offset < ends[place]}

    def committed(self, group: str) -> dict[Position, int]:
        """What a group committed, pending transactions left out: asking for those can hang on a dead process."""
        return self.committed_of([group]).get(group, {})

    def committed_of(self, groups: Sequence[str]) -> dict[str, dict[Position, int]]:
        """The same of several groups, asked at once."""
        return self._group_admin.committed(groups)

    def groups(self) -> list[Group]:
        """Every consumer group: its members' client ids, and what it committed."""
        names = self._group_admin.names()
        members, offsets = self._group_admin.members(names), self._group_admin.committed(names)
        return [
            Group(name, tuple(sorted(each.client_id for each in members[name].members)), offsets.get(name, {}))
            for name in names
        ]

    def _replace_client(self) -> None:
        self.__dict__.pop("_admin", None)

    def _brokers(self, numbers: Sequence[int]) -> tuple[tuple[Broker, ...], tuple[int, ...]]:
        # A broker can only be asked for its own configuration, one request each; all are asked at once.
        asked = {
            number: self._admin.describe_configs(
                [ConfigResource(ResourceType.BROKER, str(number))], request_timeout=BROKER_SECONDS
            )
            for number in numbers
        }
        brokers, silent = [], []
        for number, futures in asked.items():
            [future] = futures.values()
            try:
                brokers.append(Broker(number, _values(result(future, f"tell the configuration of broker {number}"))))
            except Unreachable:
                silent.append(number)
        return tuple(brokers), tuple(silent)

    def _recent_metadata(self) -> ClusterMetadata:
        # Of a thousand partitions they are not small, and a look needs them again and again.
        with self._fresh:
            if self._kept is None or time.monotonic() - self._kept[0] > METADATA_SECONDS:
                self._kept = time.monotonic(), self._metadata()
            return self._kept[1]

    def _metadata(self) -> ClusterMetadata:
        try:
            return self._admin.list_topics(timeout=REQUEST_SECONDS)
        except KafkaException as error:
            # One that was connected to brokers that fell silent was seen to find none for minutes after they had
            # come back; the next look asks by a new one.
            self._replace_client()
            raise Unreachable(f"Kafka does not answer at {self._endpoints.kafka}: {error.args[0].str()}.") from None

    def _config(self, kind: ResourceType, names: Iterable[str]) -> dict[str, dict[str, str]]:
        targets = [ConfigResource(kind, name) for name in names]
        if not targets:
            return {}
        futures = self._admin.describe_configs(targets, request_timeout=REQUEST_SECONDS)
        found = {}
        for target, future in futures.items():
            try:
                found[target.name] = _values(future.result())
            except KafkaException as error:
                # Just deleted, and not every broker knew it yet.
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    result(future, f"tell the configuration of {target.name!r}")
        return found

    def _offsets(self, partitions: Iterable[Position], spec: OffsetSpec) -> dict[Position, int]:
        return {position: answer.offset for position, answer in self._answers(partitions, spec).items()}

    def _filled(self, partitions: Collection[Position]) -> list[Position]:
        starts, ends = self.starts(partitions), self.ends(partitions)
        return [place for place in partitions if ends[place] > starts[place]]

    def _answers(
        self,
        partitions: Iterable[Position],
        spec: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    ) -> dict[Position, ListOffsetsResultInfo]:
        asked = {TopicPartition(*each): spec for each in partitions}
        found: dict[Position, ListOffsetsResultInfo] = {}
        deadline = time.monotonic() + REQUEST_SECONDS
        while asked:
            futures = self._admin.list_offsets(asked, isolation_level=isolation, request_timeout=REQUEST_SECONDS)
            again = {each for each, future in futures.items() if settling(future)}
            if time.monotonic() > deadline:
                again.clear()
            for each, future in futures.items():
                if each not in again:
                    answer = result(future, f"tell an offset of topic {each.topic!r}")
                    found[each.topic, each.partition] = answer
            asked = dict.fromkeys(again, spec)
            if asked:
                time.sleep(SETTLE_SECONDS)
        return found


def _values(entries: Mapping[str, ConfigEntry]) -> dict[str, str]:
    return {entry.name: entry.value for entry in entries.values() if entry.value is not None}
