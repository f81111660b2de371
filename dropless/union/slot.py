"""Who works in a slot, as the consumer group knows it."""

from __future__ import annotations

import threading
from collections.abc import Collection

import structlog
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from dropless.durability import ClientConfig
from dropless.records import Partition

log = structlog.get_logger()

REQUEST_SECONDS = 4.0
RETRY_SECONDS = 0.5
LOOK_SECONDS = 5.0
"""Between two looks at the group; a partition without a reader at both of them has been forgotten."""


class Slot:
    """One place in the group: the newest process to join has it, and whoever had it before is refused.

    A static member whose session ends while no broker answers is refused, too, for librdkafka forgets its
    own member id (librdkafka#3437). Only the group knows whether another process has come.
    """

    def __init__(self, admin: ClientConfig, consumer: ClientConfig, stop: threading.Event) -> None:
        self._admin = admin
        self._group = str(consumer["group.id"])
        self._instance = consumer["group.instance.id"]
        self._stop = stop
        self.must_rejoin = threading.Event()
        """Set when the group has forgotten a partition, and this member is the one to have it thought of again."""

    def watch(self, topics: Collection[str]) -> None:
        """Look for forgotten partitions of these topics from now on, in a thread.

        A static member that is stopped between the two halves of a cooperative rebalance comes back with the
        assignment of the first half, and nobody asks for the second: what it gave up then is read by nobody, and
        the group is content. It thinks again when a member has been away for longer than its session.
        """
        threading.Thread(target=self._watch, args=[frozenset(topics)], name="group", daemon=True).start()

    def _watch(self, topics: frozenset[str]) -> None:
        admin = AdminClient(dict(self._admin))
        before: set[Partition] = set()
        while not self._stop.wait(LOOK_SECONDS):
            try:
                forgotten, chosen = self._forgotten(admin, topics)
            except KafkaException:
                # A group that moves or a broker that is away: the next look tells.
                before = set()
                continue
            if (lasting := forgotten & before) and chosen == self._instance:
                log.warning("nobody reads some partitions", partitions=sorted(f"{name}[{at}]" for name, at in lasting))
                self.must_rejoin.set()
            before = forgotten

    def _forgotten(self, admin: AdminClient, topics: frozenset[str]) -> tuple[set[Partition], str]:
        """Partitions that a group at rest has given to nobody, and the member that has least to lose."""
        answer = admin.describe_consumer_groups([self._group], request_timeout=REQUEST_SECONDS)
        group = answer[self._group].result()
        if group.state != ConsumerGroupState.STABLE or not group.members:
            return set(), ""
        shares = {
            str(each.group_instance_id): {(one.topic, one.partition) for one in each.assignment.topic_partitions}
            for each in group.members
        }
        known = admin.list_topics(timeout=REQUEST_SECONDS).topics
        everything = {(name, number) for name in topics if name in known for number in known[name].partitions}
        return everything.difference(*shares.values()), min(shares, key=lambda name: (len(shares[name]), name))

    def taken(self, member: str) -> bool:
        """Whether the place is another member's; asks until the group answers or the worker is to stop."""
        admin = AdminClient(dict(self._admin))
        while not self._stop.is_set():
            try:
                answer = admin.describe_consumer_groups([self._group], request_timeout=REQUEST_SECONDS)
                members = answer[self._group].result().members
            except KafkaException as raised:
                log.warning("the group does not say who has this slot", error=raised.args[0].name())
                self._stop.wait(RETRY_SECONDS)
                continue
            return any(each.group_instance_id == self._instance and each.member_id != member for each in members)
        return False
