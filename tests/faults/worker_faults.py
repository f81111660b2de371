"""What happens to the union's processes: killed at any moment, suspended, doubled, added and removed."""

from __future__ import annotations

import functools
import signal
import time

from scene import Fault, Scene, eventually

from dropless.union.fault_points import Point

# Longer than the group's session and than the transaction's time-out.
ZOMBIE_SECONDS = 12
SESSION_SECONDS = 9
# Its first call with the old membership tells a suspended worker that it was replaced.
VERDICT_SECONDS = 60


def kill_a_worker(scene: Scene) -> None:
    scene.workers[scene.random.choice(scene.workers.slots)].kill()


def kill_all_workers(scene: Scene) -> None:
    for slot in scene.workers.slots:
        scene.workers[slot].kill()


def suspend_a_worker_beyond_its_session(scene: Scene) -> None:
    process = scene.workers[scene.random.choice(scene.workers.slots)]
    process.send_signal(signal.SIGSTOP)
    time.sleep(SESSION_SECONDS)
    process.send_signal(signal.SIGCONT)


def _kill_at(point: Point, scene: Scene) -> None:
    # A commit takes some milliseconds; produced records are on their way, or still queued.
    text = f"{point}:{scene.random.randint(2, 6)}:{scene.random.uniform(0, 15):.2f}"
    scene.workers.die_at(scene.random.choice(scene.workers.slots), text)


def kill_at_each_point_of_a_transaction() -> tuple[Fault, ...]:
    faults = []
    for point in Point:
        fault = functools.partial(_kill_at, point)
        fault.__name__ = f"kill_a_worker_{point.replace('-', '_')}"  # type: ignore[attr-defined]
        faults.append(fault)
    return tuple(faults)


def start_a_second_worker_for_a_slot(scene: Scene) -> None:
    """Whoever joins last works, and the other says why it ends; started again, it is the last."""
    slot = scene.random.choice(scene.workers.slots)
    told = scene.workers.slots_taken(slot)
    second = scene.workers.start_second(slot)
    eventually(lambda: second.poll() is not None, "two workers with one slot go on side by side", VERDICT_SECONDS)
    assert second.returncode == 1
    # The first was replaced by the second, started again by its supervisor, and replaced it in turn.
    assert scene.workers.slots_taken(slot) == told + 2


def replace_a_suspended_worker_that_comes_back(scene: Scene) -> None:
    slot = scene.random.choice(scene.workers.slots)
    zombie = scene.workers.remove(slot)
    told = scene.workers.slots_taken(slot)
    zombie.send_signal(signal.SIGSTOP)
    scene.workers.add(slot)
    scene.workers.wait_until_joined(slot)
    time.sleep(ZOMBIE_SECONDS)
    zombie.send_signal(signal.SIGCONT)
    eventually(lambda: zombie.poll() is not None, "a replaced worker goes on", VERDICT_SECONDS)
    assert zombie.returncode == 1
    # It did not drive out its replacement, which would have ended with the same words.
    assert scene.workers.slots_taken(slot) == told + 1


def add_and_remove_workers(scene: Scene) -> None:
    """2 -> 1 -> 3 -> 2, once in good order and once by a kill, while rows flow."""
    leaving, staying = scene.random.sample(scene.workers.slots, 2)
    scene.workers.stop(leaving)
    scene.moves_on("with one worker")
    scene.workers.add(leaving)
    scene.workers.add(2)
    for slot in scene.workers.slots:
        scene.workers.wait_until_joined(slot)
    scene.moves_on("with three workers")
    killed = scene.random.choice([2, leaving])
    scene.workers.remove(killed).kill()
    scene.moves_on("after one of three was killed for good")
    assert staying in scene.workers.slots
    if killed != 2:
        scene.workers.add(killed)
        scene.workers.stop(2)


POINTS = kill_at_each_point_of_a_transaction()
SLOTS: tuple[Fault, ...] = (start_a_second_worker_for_a_slot, replace_a_suspended_worker_that_comes_back)
WORKERS: tuple[Fault, ...] = (kill_a_worker, kill_all_workers, suspend_a_worker_beyond_its_session)
MEMBERS: tuple[Fault, ...] = (add_and_remove_workers,)
