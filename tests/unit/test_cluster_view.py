"""The view of the cluster whose connections are kept from look to look."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from contracts import endpoints

from dropless.errors import Unreachable
from resources import cluster


def test_a_client_that_finds_no_broker_is_replaced_by_the_next_look(monkeypatch: pytest.MonkeyPatch):
    made = []

    class Client:
        def __init__(self, _config: object) -> None:
            made.append(self)

        def list_topics(self, timeout: float) -> str:
            if self is made[0]:
                raise KafkaException(KafkaError(KafkaError._TRANSPORT))
            return "metadata"

    monkeypatch.setattr(cluster, "AdminClient", Client)
    view = cluster.ClusterView(endpoints())
    with pytest.raises(Unreachable, match="Kafka does not answer"):
        view.check()
    view.check()
    view.check()
    assert len(made) == 2
