"""What every fault needs: a whole cluster, and a small union under traffic."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Brokers
from confluent_kafka.admin import AdminClient, NewTopic
from scene import Scene
from schedule import FIRST_SEED
from traffic import Reader, SmallUnion, Writer
from workers import Workers

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.settings import Settings

RATE = 800
NEVER = str(2**63 - 1)


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


@pytest.fixture
def topics(endpoints: Endpoints, brokers: Brokers) -> Iterator[tuple[str, str]]:
    """A topic with the project's settings, and one whose overrides leave flushing to the operating system."""
    name = f"flushing.{uuid.uuid4().hex[:8]}"
    kept, ruined = f"{name}.kept", f"{name}.ruined"
    admin = AdminClient(durability.admin_client(endpoints))
    overrides = {kept: {}, ruined: dict.fromkeys(durability.topic_flushing(), NEVER)}
    wanted = [NewTopic(each, 1, 3, config=durability.topic() | overrides[each]) for each in (kept, ruined)]
    for future in admin.create_topics(wanted).values():
        future.result(30)
    yield kept, ruined
    brokers.wait_until_whole()
    for future in admin.delete_topics([kept, ruined]).values():
        future.result(30)
