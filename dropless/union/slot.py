"""Who works in a slot, as the consumer group knows it."""

from __future__ import annotations

import threading

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dropless.durability import ClientConfig

log = structlog.get_logger()

REQUEST_SECONDS = 4.0
RETRY_SECONDS = 0.5


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
