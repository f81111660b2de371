"""What tests through Dagster and Kafka share."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient
from webserver import Webserver

from dropless import durability
from dropless.endpoints import Endpoints


@pytest.fixture(scope="module")
def web(endpoints: Endpoints) -> Webserver:
    return Webserver(endpoints.dagster)


@pytest.fixture(scope="module")
def kafka(endpoints: Endpoints) -> AdminClient:
    return AdminClient(durability.admin_client(endpoints, "dropless.test"))
