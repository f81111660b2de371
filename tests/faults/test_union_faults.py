"""Exactly once and in order, whatever dies, in the manner of kafkatest's transactions_test.

Traffic runs throughout, and a read_committed reader watches. Each seed plays a sample of every kind of
fault; DROPLESS_FAULTS=all plays all of them, DROPLESS_FAULT_SEED and DROPLESS_FAULT_SEEDS choose the first
seed and how many are played one after another.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import verdict
from scene import Scene
from schedule import SEEDS, WANTED, name, schedule
from worker_faults import SLOTS

pytestmark = pytest.mark.timeout(3600 if WANTED == "all" else 1500)


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
