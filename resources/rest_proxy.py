"""Confluent's REST Proxy: a probe record goes through it and comes back.

Its producer cannot be idempotent (it forces that off), so it is kept to topics of its own, and so is the probe.
Source: the public API documentation, v3 for producing, v2 for consuming, and what was measured of 8.3.1.
"""

from __future__ import annotations

import base64
import secrets
import time
from typing import Any, Final

from dropless.errors import NotReady
from dropless.names import REST_PROBE, REST_TOPICS
from resources.rest import Rest

SECONDS: Final = 30.0
_V2: Final = "application/vnd.kafka.v2+json"
# JSON as a format cannot read keys that are plain text.
_BINARY: Final = "application/vnd.kafka.binary.v2+json"


class RestProxy:
    """The proxy at a URL that stands for any of its nodes."""

    def __init__(self, url: str) -> None:
        self._rest = Rest("The REST Proxy", [url])

    def probe(self, timeout_seconds: float = SECONDS) -> float:
        """Produce a record to the probe's topic and consume it again.

        Returns:
            The seconds from one to the other.

        Raises:
            Unreachable: the proxy does not answer.
            NotReady: the record did not come back in time.
            DroplessError: the proxy refused.
        """
        token = secrets.token_hex(16)
        consumer = self._consumer(f"{REST_TOPICS}{token}")
        try:
            began = time.monotonic()
            self._produce(token)
            while time.monotonic() - began < timeout_seconds:
                if token in self._records(consumer):
                    return time.monotonic() - began
        finally:
            consumer.call("remove its consumer", "DELETE", "", accept=(404,))
        raise NotReady(f"A record that was written over HTTP was not read over HTTP within {timeout_seconds:g} seconds")

    def _produce(self, token: str) -> None:
        (cluster,) = self._rest.call("name its cluster", "GET", "/v3/clusters").json()["data"]
        record = {"key": {"type": "STRING", "data": token}, "value": {"type": "JSON", "data": {"probe": token}}}
        path = f"/v3/clusters/{cluster['cluster_id']}/topics/{REST_PROBE}/records"
        # v2 would write the key as JSON, in quotes.
        self._rest.call("write a record", "POST", path, json=record)

    def _consumer(self, group: str) -> Rest:
        told = {"name": "probe", "format": "binary", "auto.offset.reset": "earliest", "auto.commit.enable": "false"}
        made = self._post(self._rest, "make a consumer", f"/consumers/{group}", told).json()
        # It lives in one process, whose own address this is.
        consumer = Rest("The REST Proxy", [made["base_uri"]])
        self._post(consumer, "subscribe", "/subscription", {"topics": [REST_PROBE]})
        return consumer

    def _post(self, rest: Rest, doing: str, path: str, body: dict[str, Any]) -> Any:
        return rest.call(doing, "POST", path, json=body, headers={"Content-Type": _V2})

    def _records(self, consumer: Rest) -> set[str]:
        found = consumer.call("read records", "GET", "/records?timeout=1000", headers={"Accept": _BINARY}).json()
        return {base64.b64decode(each["key"]).decode(errors="replace") for each in found if each["key"]}
