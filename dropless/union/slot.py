"""Who works in a slot, as the consumer group knows it."""

from __future__ import annotations

import threading
from collections.abc import Collection

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dropless import durability
from dropless.durability import ClientConfig
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.group_admin import STABLE, GroupAdmin
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

    def __init__(self, endpoints: Endpoints, consumer: ClientConfig, stop: threading.Event) -> None:
        self._endpoints = endpoints
        self._groups = GroupAdmin(endpoints)
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
        topology = AdminClient(durability.admin_client(self._endpoints, f"{self._instance}.slot"))
        before: set[Partition] = set()
        while not self._stop.wait(LOOK_SECONDS):
            try:
                forgotten, chosen = self._forgotten(topology, topics)
            except (DroplessError, KafkaException):
                # A group that moves or a broker that is away: the next look tells.
                before = set()
                continue
            if (lasting := forgotten & before) and chosen == self._instance:
                log.warning("nobody reads some partitions", partitions=sorted(f"{name}[{at}]" for name, at in lasting))
                self.must_rejoin.set()
            before = forgotten

    def _forgotten(self, topology: AdminClient, topics: frozenset[str]) -> tuple[set[Partition], str]:
        """Partitions that a group at rest has given to nobody, and the member that has least to lose."""
        group = self._groups.members([self._group])[self._group]
        if group.state != STABLE or not group.members:
            return set(), ""
        shares = {str(each.instance): each.partitions for each in group.members}
        known = topology.list_topics(timeout=REQUEST_SECONDS).topics
        everything = {(name, number) for name in topics if name in known for number in known[name].partitions}
        return everything.difference(*shares.values()), min(shares, key=lambda name: (len(shares[name]), name))

    def taken(self, member: str) -> bool:
        """Whether the place is another member's; asks until the group answers or the worker is to stop."""
        while not self._stop.is_set():
            try:
                members = self._groups.members([self._group])[self._group].members
            except DroplessError as raised:
                log.warning("the group does not say who has this slot", error=str(raised))
                self._stop.wait(RETRY_SECONDS)
                continue
            return any(each.instance == self._instance and each.id != member for each in members)
        return False
