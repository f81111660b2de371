"""Exactly once and in order, whatever dies, in the manner of kafkatest's transactions_test.

Traffic runs throughout, and a read_committed reader watches. Each seed plays a sample of every kind of
fault; DROPLESS_FAULTS=all plays all of them, DROPLESS_FAULT_SEED and DROPLESS_FAULT_SEEDS choose the first
seed and how many are played one after another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import verdict
from cluster import Brokers
from scene import Scene
from schedule import SEEDS, WANTED, name, schedule
from traffic import Reader, SmallUnion, Writer
from worker_faults import SLOTS
from workers import Workers

from dropless.endpoints import Endpoints
from dropless.settings import Settings

RATE = 800

pytestmark = pytest.mark.timeout(3600 if WANTED == "all" else 1500)


@pytest.fixture
def brokers(settings: Settings, endpoints: Endpoints) -> Iterator[Brokers]:
    found = Brokers(settings, endpoints)
    found.wait_until_whole()
    yield found
    found.start_all()
    found.wait_until_whole()


@pytest.fixture
def union(tmp_path: Path, endpoints: Endpoints, settings: Settings, brokers: Brokers) -> Iterator[SmallUnion]:
    made = SmallUnion(tmp_path, endpoints, settings)
    made.make_topics()
    yield made
    brokers.start_all()
    brokers.wait_until_whole()
    made.remove()


@pytest.fixture
def scene(union: SmallUnion, brokers: Brokers, seed: int) -> Iterator[Scene]:
    made = Scene(union, brokers, Workers(union, 2), Writer(union, RATE), Reader(union), random.Random(seed))
    for thread in (made.workers, made.writer, made.reader):
        thread.start()
    yield made
    made.writer.finish()
    made.reader.finish()
    made.workers.finish()


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Write a line at once, whatever is captured."""

    def write(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    return write


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_disordered_whatever_dies(
    scene: Scene, seed: int, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    recoveries: dict[str, float] = {}
    tell("")
    for fault in schedule(scene.random):
        scene.moves_on(f"before {name(fault)}")
        told = scene.workers.slots_taken()
        fault(scene)
        recoveries[name(fault)] = scene.moves_on(f"after {name(fault)}")
        tell(f"  {recoveries[name(fault)]:5.1f} s until all partitions flow after {name(fault)}")
        scene.brokers.wait_until_whole()
        assert fault in SLOTS or scene.workers.slots_taken() == told, f"nobody took a slot in {name(fault)}"
    scene.writer.finish()
    verdict.check(scene, tmp_path / "audit.json")
    worst = max(recoveries, key=recoveries.__getitem__)
    tell(
        f"seed {seed}: {len(recoveries)} faults, {len(scene.writer.acknowledged):,} records acknowledged, "
        f"worst recovery {recoveries[worst]:.1f} s ({worst})"
    )
