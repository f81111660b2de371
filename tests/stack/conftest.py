"""What tests through Dagster and Kafka share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from differing import Known
from small_lake import SmallLake
from webserver import Webserver

from dropless import desired, durability
from dropless.contract import load_contracts
from dropless.endpoints import Endpoints
from dropless.plan import Resource
from dropless.settings import Settings
from resources.adapters import adapters


@pytest.fixture(scope="module")
def web(endpoints: Endpoints) -> Webserver:
    return Webserver(endpoints.dagster)


@pytest.fixture(scope="module")
def kafka(endpoints: Endpoints) -> AdminClient:
    return AdminClient(durability.admin_client(endpoints, "dropless.test"))


@pytest.fixture(scope="module")
def known(endpoints: Endpoints) -> Known:
    return adapters(endpoints)


@pytest.fixture(scope="module")
def everything(settings: Settings, endpoints: Endpoints) -> dict[str, Resource]:
    return {each.id: each for each in desired.everything(load_contracts(settings.contracts), endpoints)}


@pytest.fixture
def lake(tmp_path: Path, endpoints: Endpoints, settings: Settings) -> Iterator[SmallLake]:
    made = SmallLake(tmp_path, endpoints, settings)
    made.make_topics()
    yield made
    made.remove()
