"""What every fault needs: a whole cluster, and a small union under traffic."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Brokers
from scene import Scene
from schedule import FIRST_SEED
from traffic import Reader, SmallUnion, Writer
from workers import Workers

from dropless.endpoints import Endpoints
from dropless.settings import Settings

RATE = 800


@pytest.fixture
def seed() -> int:
    return FIRST_SEED


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
