"""The REST Proxy's probe against a server that was written by its specification, and is not the REST Proxy."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from serving import JsonHandler, serving

from dropless.errors import DroplessError, NotReady
from dropless.names import REST_PROBE as TOPIC
from resources.rest_proxy import RestProxy

V2 = "application/vnd.kafka.v2+json"


class BySpecification:
    """What of it the probe uses: v3 clusters and records, v2 consumers, which live in one of its nodes."""

    def __init__(self) -> None:
        self.keys = [b"another", None]
        self.consumers: dict[str, list[str]] = {}
        self.requests: list[tuple[str, str]] = []
        self.loses = False
        self.refuses = False
        specified = self

        class Handler(JsonHandler, BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*specified.get(self.path, self.headers["Accept"]))

            def do_POST(self) -> None:
                self._answer(*specified.post(self.path, self.headers["Content-Type"], self.body()))

            def do_DELETE(self) -> None:
                self._answer(*specified.delete(self.path))

            def _answer(self, status: int, body: object = None) -> None:
                specified.requests.append((self.command, self.path))
                self.answer(status, body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def get(self, path: str, accept: str) -> tuple[int, object]:
        if path == "/v3/clusters":
            return 200, {"kind": "KafkaClusterList", "data": [{"cluster_id": "abc"}]}
        consumer, _, rest = path.removeprefix("/node-1").partition("/records")
        assert self.consumers[consumer] == [TOPIC]
        assert (accept, rest) == ("application/vnd.kafka.binary.v2+json", "?timeout=1000")
        shown = [base64.b64encode(each).decode() if each is not None else None for each in self.keys]
        return 200, [
            {"topic": TOPIC, "key": key, "value": "e30=", "partition": 0, "offset": at} for at, key in enumerate(shown)
        ]

    def post(self, path: str, content: str, body: dict[str, Any]) -> tuple[int, object]:
        if path == f"/v3/clusters/abc/topics/{TOPIC}/records":
            if self.refuses:
                return 403, {"error_code": 40301, "message": "Not authorized to access topics: [rest.probe]"}
            assert content == "application/json"
            assert body["key"]["type"] == "STRING"
            if not self.loses:
                self.keys.append(body["key"]["data"].encode())
            return 200, {"error_code": 200, "topic_name": TOPIC, "partition_id": 0, "offset": 2}
        assert content == V2
        if path.endswith("/subscription"):
            self.consumers[path.removeprefix("/node-1").removesuffix("/subscription")] = body["topics"]
            return 204, None
        assert body["format"] == "binary"
        assert body["auto.commit.enable"] == "false"
        instance = f"{path}/instances/{body['name']}"
        return 200, {"instance_id": body["name"], "base_uri": f"{self.url}/node-1{instance}"}

    def delete(self, path: str) -> tuple[int, object]:
        del self.consumers[path.removeprefix("/node-1")]
        return 204, None


@pytest.fixture
def proxy() -> Iterator[BySpecification]:
    specified = BySpecification()
    with serving(specified.server):
        yield specified


def test_a_record_goes_through_and_comes_back(proxy: BySpecification) -> None:
    assert 0 <= RestProxy(proxy.url).probe() < 30
    assert not proxy.consumers
    # Only where it was made does a consumer live.
    assert all("/node-1/" in path for _, path in proxy.requests if "/instances/" in path)


def test_a_record_that_does_not_come_back_is_told_and_leaves_no_consumer(proxy: BySpecification) -> None:
    proxy.loses = True
    with pytest.raises(NotReady, match=r"was not read over HTTP within 0\.2 seconds"):
        RestProxy(proxy.url).probe(0.2)
    assert not proxy.consumers


def test_a_refusal_is_the_proxys_own_sentence(proxy: BySpecification) -> None:
    proxy.refuses = True
    with pytest.raises(DroplessError, match=r"refused to write a record: Not authorized .*rest\.probe"):
        RestProxy(proxy.url).probe()
    assert not proxy.consumers
