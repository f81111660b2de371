"""The brokers of the stack, to be killed and suspended; supervisord starts them again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient

from dropless import durability, names
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.settings import Settings
from resources.cluster import ClusterView
from resources.platform import LocalPlatform


class Brokers:
    """Three brokers and their controller, by process."""

    def __init__(self, settings: Settings, endpoints: Endpoints) -> None:
        self._platform = LocalPlatform(settings)
        self._endpoints = endpoints
        self._admin = AdminClient(durability.admin_client(endpoints))

    def leader(self, topic: str, partition: int = 0) -> int:
        return int(self._admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader)

    def transaction_coordinator(self, table: str) -> int:
        return self._coordinator("__transaction_state", names.union_transactional_id(table, 0))

    def group_coordinator(self, table: str) -> int:
        return self._coordinator("__consumer_offsets", names.union_group(table))

    def _coordinator(self, topic: str, name: str) -> int:
        partitions = self._admin.list_topics(topic, timeout=10).topics[topic].partitions
        return int(partitions[_hash(name) % len(partitions)].leader)

    def kill(self, *brokers: int) -> None:
        for pid in [self._pid(f"kafka-broker-{broker}") for broker in brokers]:
            os.kill(pid, signal.SIGKILL)

    def kill_controller(self) -> None:
        os.kill(self._pid("kafka-controller-1"), signal.SIGKILL)

    @contextmanager
    def suspended(self, broker: int) -> Iterator[None]:
        pid = self._pid(f"kafka-broker-{broker}")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def wait_until_whole(self, seconds: float = 120) -> None:
        """Until every partition has a leader and all its replicas in sync."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                reason = self._broken()
            except DroplessError as error:
                reason = str(error)
            if not reason:
                return
            assert time.monotonic() < deadline, f"the cluster did not become whole again: {reason}"
            time.sleep(0.3)

    def _broken(self) -> str:
        cluster = ClusterView(self._endpoints).cluster()
        if len(cluster.brokers) < 3:
            return f"{len(cluster.brokers)} brokers"
        for topic in cluster.topics:
            for each in topic.partitions:
                if each.leader is None or set(each.in_sync) != set(each.replicas):
                    return f"{topic.name}[{each.number}]"
        return ""

    def _pid(self, name: str) -> int:
        return next(each.pid for each in self._platform.status() if each.name == name)


def _hash(name: str) -> int:
    """Java's string hash, by which Kafka spreads groups and transactional ids over its internal topics."""
    value = 0
    for character in name:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF
