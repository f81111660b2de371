"""Lenses' HQ: whether the agent of our environment is connected to it, and what it sees of Kafka.

Source: the public documentation of Lenses' HTTP API, version 6 (`GET /api/v1/environments/{name}`).
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from dropless import passwords
from dropless.endpoints import LENSES_KEY
from dropless.errors import DroplessError
from dropless.kubernetes.releases import LENSES_LICENCE
from resources.rest import Rest


class _Kafka(BaseModel):
    num_brokers: int


class _Data(BaseModel):
    num_topics: int


class _Connect(BaseModel):
    num_connectors: int


class _Metrics(BaseModel):
    # An agent that has just been started has counted nothing yet.
    kafka: _Kafka | None = None
    data: _Data | None = None
    connect: _Connect | None = None


class _Agent(BaseModel):
    metrics: _Metrics = _Metrics()


class _Status(BaseModel):
    agent_connected: bool
    agent: _Agent = _Agent()


class Environment(BaseModel):
    """One Kafka and what belongs to it, as HQ has it."""

    name: str
    status: _Status

    @property
    def trouble(self) -> str | None:
        """Why nobody sees this Kafka in Lenses; None while they do."""
        kafka = self.status.agent.metrics.kafka
        if not self.status.agent_connected:
            return (
                f"No agent of environment {self.name!r} is connected to HQ: "
                f"its key has to be in the Secret `{LENSES_LICENCE}`, as `agentKey`."
            )
        if kafka is None:
            return f"The agent of environment {self.name!r} is connected, and has not told anything about Kafka."
        return None if kafka.num_brokers else f"The agent of environment {self.name!r} sees no broker."

    @property
    def counts(self) -> dict[str, int]:
        """What the agent has counted; what it has not told is left out."""
        metrics = self.status.agent.metrics
        return {
            **({"brokers": metrics.kafka.num_brokers} if metrics.kafka else {}),
            **({"topics": metrics.data.num_topics} if metrics.data else {}),
            **({"connectors": metrics.connect.num_connectors} if metrics.connect else {}),
        }


class Lenses:
    """HQ at a URL, asked as a service account."""

    def __init__(self, url: str, secrets: Path) -> None:
        self._rest = Rest("Lenses", [url])
        self._secrets = secrets

    def environment(self, name: str) -> Environment:
        """An environment and the state of its agent.

        Raises:
            Unreachable: HQ does not answer.
            DroplessError: there is no such environment, no key to ask with, or HQ refuses or says what nobody
                documented.
        """
        try:
            key = passwords.read(self._secrets, LENSES_KEY)
        except DroplessError:
            raise DroplessError(
                "Nobody may ask Lenses: make a service account in HQ that may see environments, and put its key into "
                f"the Secret `{LENSES_LICENCE}`, as `serviceAccountKey`."
            ) from None
        answer = self._rest.call(
            f"tell of environment {name!r}",
            "GET",
            f"/api/v1/environments/{quote(name, safe='')}",
            headers={"Authorization": f"Bearer {key}"},
            accept=(404,),
        )
        if answer.status_code == 404:
            raise DroplessError(
                f"Lenses has no environment {name!r}: make it in HQ, and put its agent's key into the Secret "
                f"`{LENSES_LICENCE}`, as `agentKey`."
            )
        try:
            return Environment.model_validate_json(answer.content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DroplessError(
                f"Lenses says of environment {name!r} what is not documented: {where}: {first['msg']}."
            ) from None
