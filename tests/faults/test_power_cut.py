"""What is left when brokers lose their power, and with it every byte that was not yet on the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import verdict
from cluster import Brokers
from confluent_kafka import KafkaError, Message, Producer
from power import Power, Survives
from scene import Scene, eventually
from schedule import WANTED
from traffic import QUIET
from unsynced import kernel_tells, up_to_the_recovery_point, written_by_the_kernel

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from resources.cluster import ClusterView
from resources.committed import CommittedReader

RATE = 800
ENOUGH = 3 * durability.FLUSH_MESSAGES
# A busy machine may take its time between a log's turn and the end of its fsync.
LATEST_FLUSH_SECONDS = 2.0

pytestmark = pytest.mark.timeout(600)
asks_the_kernel = pytest.mark.skipif(
    not kernel_tells(), reason="only Linux 6.5 and later tell which pages are not on the disk"
)
# The recovery point is the harder way; the short form has it where the kernel cannot be asked.
WAYS = [
    pytest.param(written_by_the_kernel, marks=asks_the_kernel),
    *([up_to_the_recovery_point] if WANTED == "all" or not kernel_tells() else []),
]


@pytest.mark.parametrize("survives", WAYS)
def test_one_broker_loses_its_unsynced_bytes_and_nothing_is_lost(
    survives: Survives, scene: Scene, settings: Settings, tmp_path: Path
) -> None:
    power = Power(settings)
    for topic in (scene.union.raw, scene.union.unified):
        scene.moves_on("before the power cut")
        victim = scene.brokers.leader(topic)
        with power.off((victim,), survives, scene.union.table, only=False) as lost:
            print(f"broker {victim}, the leader of {topic}, lost {sum(lost.values()):,} bytes: {lost}")
            scene.moves_on(f"without broker {victim}")
        scene.brokers.wait_until_whole()
    scene.moves_on("after the power cuts")
    scene.writer.finish()
    verdict.check(scene, tmp_path / "audit.json")


# --- all brokers at once ---


class Numbers(threading.Thread):
    """Writes numbered records to one partition and notes when each was acknowledged by all replicas."""

    def __init__(self, endpoints: Endpoints, topic: str) -> None:
        super().__init__(name=f"numbers.{topic}", daemon=True)
        self.acknowledged: dict[int, float] = {}
        self._topic = topic
        self._ended = threading.Event()
        config = QUIET | durability.transactional_producer(endpoints, topic)
        # Not in transactions, which would be answered only when they end.
        self._producer = Producer({name: value for name, value in config.items() if "transaction" not in name})

    def run(self) -> None:
        number = 0
        while not self._ended.is_set():
            try:
                self._producer.produce(self._topic, b"%d %s" % (number, b"x" * 100), on_delivery=self._noted)
            except BufferError:
                break
            number += 1
            self._producer.poll(0)
            self._ended.wait(1 / RATE)

    def _noted(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acknowledged[_number(message)] = time.time()

    def finish(self) -> None:
        self._ended.set()
        self.join(30)
        self._producer.purge()
        self._producer.flush(10)


@asks_the_kernel
def test_all_brokers_at_once_lose_no_more_than_the_flush_settings_say(
    topics: tuple[str, str],
    brokers: Brokers,
    settings: Settings,
    endpoints: Endpoints,
    record_property: Callable[[str, object], None],
) -> None:
    power = Power(settings)
    for topic in topics:
        writer = Numbers(endpoints, topic)
        writer.start()
        eventually(lambda writer=writer: len(writer.acknowledged) > ENOUGH, f"{topic} takes no records", 60)
        with power.off((1, 2, 3), written_by_the_kernel, topic, only=True):
            writer.finish()
        acknowledged = dict(writer.acknowledged)
        moment = max(acknowledged.values())
        brokers.wait_until_whole()
        left = [_number(each) for each in _read(endpoints, topic)]
        assert left == sorted(set(left))
        missing = sorted(acknowledged.keys() - set(left))
        age = moment - acknowledged[missing[0]] if missing else 0.0
        told = f"{len(missing)} of {len(acknowledged)} acknowledged records, the oldest {age:.3f} s old"
        record_property(f"lost of {topic}", told)
        print(f"{topic}: lost {told}")
        if topic == topics[0]:
            assert len(missing) <= durability.FLUSH_MESSAGES
            assert age < LATEST_FLUSH_SECONDS
        else:
            assert len(missing) > durability.FLUSH_MESSAGES, "the override did not keep the brokers from flushing"


def _number(message: Message) -> int:
    return int((message.value() or b"").split()[0])


def _read(endpoints: Endpoints, topic: str) -> Iterator[Message]:
    view = ClusterView(endpoints)
    ends = view.ends([(topic, 0)])
    return CommittedReader(endpoints, "power").read({place: (0, end) for place, end in ends.items()})
