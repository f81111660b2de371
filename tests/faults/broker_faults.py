"""What happens to the brokers: one, two and all of them, killed, suspended, kept down, without a disk."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable

from cluster import BROKERS
from scene import Fault, Scene

# Longer than the brokers' session: another leader takes over.
SUSPENDED_SECONDS = 6
# Longer than a transaction's time-out: a late EndTxn arrives after the end of its transaction (KAFKA-17754).
BEYOND_THE_TIME_OUT_SECONDS = 12
DOWN_SECONDS = 6

LEADERS: dict[str, Callable[[Scene], int]] = {
    "the_input": lambda scene: scene.brokers.leader(scene.union.raw, scene.random.randrange(3)),
    "the_output": lambda scene: scene.brokers.leader(scene.union.unified, scene.random.randrange(3)),
    "the_transactions": lambda scene: scene.brokers.transaction_coordinator(scene.union.table),
    "the_offsets": lambda scene: scene.brokers.group_coordinator(scene.union.table),
}


def _named(name: str, act: Callable[..., None], *arguments: object) -> Fault:
    fault = functools.partial(act, *arguments)
    fault.__name__ = name  # type: ignore[attr-defined]
    return fault


def _kill_leader(leader: Callable[[Scene], int], scene: Scene) -> None:
    scene.brokers.kill(leader(scene))


def _suspend_leader(leader: Callable[[Scene], int], seconds: float, scene: Scene) -> None:
    with scene.brokers.suspended(leader(scene)):
        time.sleep(seconds)


def kill_each_broker_in_turn(scene: Scene) -> None:
    for broker in scene.random.sample(BROKERS, 3):
        scene.brokers.kill(broker)
        scene.brokers.wait_until_whole()


def suspend_each_broker_in_turn(scene: Scene) -> None:
    for broker in scene.random.sample(BROKERS, 3):
        with scene.brokers.suspended(broker):
            time.sleep(SUSPENDED_SECONDS)
        scene.brokers.wait_until_whole()


def restart_each_broker_in_turn(scene: Scene) -> None:
    for broker in scene.random.sample(BROKERS, 3):
        scene.brokers.stop(broker)
        scene.brokers.start(broker)
        scene.brokers.wait_until_whole()


def kill_two_brokers(scene: Scene) -> None:
    scene.brokers.kill(*scene.random.sample(BROKERS, 2))


def keep_two_brokers_down(scene: Scene) -> None:
    down = scene.random.sample(BROKERS, 2)
    scene.brokers.bring_down(*down)
    scene.nothing_is_acknowledged_for(DOWN_SECONDS)
    for broker in down:
        scene.brokers.start(broker)


def kill_all_brokers(scene: Scene) -> None:
    scene.brokers.kill(*BROKERS)


def _start_in_order(order: tuple[int, ...], scene: Scene) -> None:
    """All of them killed at once; one alone acknowledges nothing."""
    scene.brokers.bring_down(*BROKERS)
    first, second, third = order
    scene.brokers.start(first)
    scene.brokers.wait_until_up(first)
    scene.nothing_is_acknowledged_for(1)
    scene.brokers.start(second)
    scene.brokers.wait_until_up(second)
    scene.brokers.start(third)


def start_the_stale_broker_first(scene: Scene) -> None:
    """They die one after another; the one that died first, and so knows least, starts first and must not lead."""
    stale, second, last = scene.random.sample(BROKERS, 3)
    scene.brokers.bring_down(stale)
    scene.brokers.wait_until_out_of_sync(stale, scene.union.raw)
    scene.moves_on("with one broker down")
    scene.brokers.bring_down(second)
    scene.nothing_is_acknowledged_for(2)
    scene.brokers.bring_down(last)
    scene.brokers.start(stale)
    scene.brokers.wait_until_up(stale)
    scene.nothing_is_acknowledged_for(2)
    scene.brokers.start(second)
    scene.brokers.start(last)


def kill_the_controller(scene: Scene) -> None:
    scene.brokers.kill_controller()


def suspend_the_controller(scene: Scene) -> None:
    with scene.brokers.suspended(None):
        time.sleep(SUSPENDED_SECONDS)


def fill_the_disk_of_a_broker(scene: Scene) -> None:
    with scene.brokers.disks_full(scene.random.choice(BROKERS)):
        scene.moves_on("with a broker whose disk is full")


def fill_the_disks_of_two_brokers(scene: Scene) -> None:
    with scene.brokers.disks_full(*scene.random.sample(BROKERS, 2)):
        scene.nothing_is_acknowledged_for(3)


def start_workers_without_the_registry(scene: Scene) -> None:
    with scene.brokers.registry_stopped():
        for slot in scene.workers.slots:
            scene.workers[slot].kill()
        scene.moves_on("without the schema registry")


KILLED: tuple[Fault, ...] = tuple(
    _named(f"kill_the_leader_of_{what}", _kill_leader, who) for what, who in LEADERS.items()
)
SUSPENDED: tuple[Fault, ...] = (
    *(
        _named(f"suspend_the_leader_of_{what}", _suspend_leader, who, SUSPENDED_SECONDS)
        for what, who in LEADERS.items()
    ),
    _named(
        "suspend_the_leader_of_the_transactions_beyond_the_time_out",
        _suspend_leader,
        LEADERS["the_transactions"],
        BEYOND_THE_TIME_OUT_SECONDS,
    ),
)
ROLLING: tuple[Fault, ...] = (kill_each_broker_in_turn, suspend_each_broker_in_turn, restart_each_broker_in_turn)
TWO: tuple[Fault, ...] = (keep_two_brokers_down,)
ALL: tuple[Fault, ...] = (
    kill_two_brokers,
    kill_all_brokers,
    start_the_stale_broker_first,
    *(
        _named(f"kill_all_brokers_and_start_{''.join(map(str, order))}", _start_in_order, order)
        for order in itertools.permutations(BROKERS)
    ),
)
CONTROLLER: tuple[Fault, ...] = (kill_the_controller, suspend_the_controller)
DISK: tuple[Fault, ...] = (fill_the_disk_of_a_broker, fill_the_disks_of_two_brokers)
REGISTRY: tuple[Fault, ...] = (start_workers_without_the_registry,)
