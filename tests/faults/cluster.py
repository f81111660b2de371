"""The brokers of the stack, to be killed, suspended, kept down and denied their disk."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import disk
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dropless import durability, names
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.settings import Settings
from local_stack.supervisor import Supervisor
from resources.cluster import ClusterView

BROKERS = (1, 2, 3)
CONTROLLER = "kafka-controller-1"
REGISTRY = "schema-registry"
# Some seconds, unless the machine is busy with much else.
WHOLE_SECONDS = 300.0


class Brokers:
    """Three brokers and their controller, by process."""

    def __init__(self, settings: Settings, endpoints: Endpoints) -> None:
        self._supervisor = Supervisor(settings)
        self._admin = AdminClient(durability.admin_client(endpoints))
        self._view = ClusterView(endpoints)

    # --- who leads what ---

    def leader(self, topic: str, partition: int = 0) -> int:
        return int(self._admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader)

    def transaction_coordinator(self, table: str) -> int:
        return self._coordinator("__transaction_state", names.union_transactional_id(table, 0))

    def group_coordinator(self, table: str) -> int:
        return self._coordinator("__consumer_offsets", names.union_group(table))

    def _coordinator(self, topic: str, name: str) -> int:
        partitions = self._admin.list_topics(topic, timeout=10).topics[topic].partitions
        return int(partitions[_hash(name) % len(partitions)].leader)

    # --- faults ---

    def kill(self, *brokers: int) -> None:
        """Kill them at once; supervisord starts them again at once."""
        for pid in [self.pid(broker) for broker in brokers]:
            os.kill(pid, signal.SIGKILL)

    def kill_controller(self) -> None:
        os.kill(self._pid(CONTROLLER), signal.SIGKILL)

    @contextmanager
    def suspended(self, broker: int | None) -> Iterator[None]:
        """Suspend a broker, or the controller when none is named."""
        pid = self._pid(_name(broker) if broker else CONTROLLER)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def bring_down(self, *brokers: int) -> None:
        """Kill them at once and keep them down until they are started."""
        pids = {broker: self.pid(broker) for broker in brokers}
        # Suspended they don't see supervisord's SIGTERM, so that none of them ends in good order.
        for pid in pids.values():
            os.kill(pid, signal.SIGSTOP)
        for broker, pid in pids.items():
            self._supervisor.stop(_name(broker), wait=False)
            os.kill(pid, signal.SIGKILL)
        _until(lambda: not any(self.pid(broker) for broker in brokers), "the brokers did not die", 60)

    def start(self, broker: int) -> None:
        self._supervisor.start_program(_name(broker))

    def stop(self, broker: int) -> None:
        """Stop it in good order."""
        self._supervisor.stop(_name(broker))

    def start_all(self) -> None:
        for broker in BROKERS:
            self.start(broker)

    @contextmanager
    def registry_stopped(self) -> Iterator[None]:
        """The schema registry's nodes are stopped, where the stack has any."""
        nodes = [name for name, each in self._supervisor.processes().items() if name.startswith(REGISTRY) and each.pid]
        for node in nodes:
            self._supervisor.stop(node)
        try:
            yield
        finally:
            for node in nodes:
                self._supervisor.start_program(node)

    @contextmanager
    def disks_full(self, *brokers: int) -> Iterator[None]:
        """These brokers have died of a full disk, and die again as often as they start, until it is freed."""
        dead = {broker: self.pid(broker) for broker in brokers}
        with disk.full(lambda: [self.pid(broker) for broker in brokers]):
            _until(
                lambda: all(self.pid(broker) != pid for broker, pid in dead.items()),
                "a broker with a full disk went on",
                WHOLE_SECONDS,
            )
            yield
        for broker in brokers:
            # supervisord gives up on what dies at once too often.
            self.start(broker)

    # --- waiting ---

    def wait_until_up(self, broker: int, seconds: float = WHOLE_SECONDS) -> None:
        """Until the broker takes requests, with whatever others there are."""

        def up() -> bool:
            try:
                return broker in self._admin.list_topics(timeout=2).brokers
            except KafkaException:
                return False

        _until(up, f"broker {broker} did not come up", seconds)

    def wait_until_out_of_sync(self, broker: int, topic: str, seconds: float = WHOLE_SECONDS) -> None:
        """Until no partition of the topic counts on the broker."""

        def out() -> bool:
            partitions = self._admin.list_topics(topic, timeout=10).topics[topic].partitions.values()
            return all(broker not in each.isrs for each in partitions)

        _until(out, f"broker {broker} stays in sync", seconds)

    def wait_until_whole(self, seconds: float = WHOLE_SECONDS) -> None:
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
        cluster = self._view.cluster()
        if len(cluster.brokers) < len(BROKERS):
            return f"{len(cluster.brokers)} brokers"
        for topic in cluster.topics:
            for each in topic.partitions:
                if each.leader is None or set(each.in_sync) != set(each.replicas):
                    return f"{topic.name}[{each.number}]"
        return ""

    def pid(self, broker: int) -> int:
        """A broker's process, 0 when it has none."""
        return self._pid(_name(broker))

    def _pid(self, name: str) -> int:
        return self._supervisor.processes()[name].pid


def _name(broker: int) -> str:
    return f"kafka-broker-{broker}"


def _until(check: Callable[[], bool], otherwise: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def _hash(name: str) -> int:
    """Java's string hash, by which Kafka spreads groups and transactional ids over its internal topics."""
    value = 0
    for character in name:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF
