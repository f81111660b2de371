"""A Kafka cluster's finalised features, such as eligible leader replicas.

To ask within two seconds, whatever hangs, this is ApiVersions, request version 3, spoken by hand
(https://kafka.apache.org/protocol: flexible versions, tagged fields; the response's header has none).
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Mapping
from contextlib import closing
from typing import Final

from dropless import durability
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable

_API_VERSIONS: Final = 18
_VERSION: Final = 3
_FINALIZED: Final = 2
"""The tag of the finalised features."""
_CLIENT: Final = b"dropless"
UPDATE_MS: Final = 10_000


def finalized_features(endpoints: Endpoints, timeout_seconds: float = 2) -> dict[str, int]:
    """Each finalised feature's level, asked of the first broker that answers.

    Raises:
        Unreachable: none does.
    """
    reason: Exception | None = None
    for host in endpoints.kafka.split(","):
        try:
            return _features(_ask(host, dict(endpoints.kafka_security), timeout_seconds))
        except (OSError, struct.error) as error:
            reason = error
    raise Unreachable(f"No broker tells its features at {endpoints.kafka}: {reason}.")


def _ask(host: str, security: dict[str, str], timeout_seconds: float) -> bytes:
    name, _, port = host.rpartition(":")
    # Before it is authenticated, a client may ask exactly this.
    with closing(_connected(name, int(port), security, timeout_seconds)) as connection:
        header = struct.pack(">hhih", _API_VERSIONS, _VERSION, 1, len(_CLIENT)) + _CLIENT + b"\0"
        text = bytes([len(_CLIENT) + 1]) + _CLIENT
        request = header + text + text + b"\0"
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answer:
            [length] = struct.unpack(">i", answer.read(4))
            return bytes(answer.read(length))


def _connected(host: str, port: int, security: dict[str, str], timeout_seconds: float) -> socket.socket:
    connection = socket.create_connection((host, port), timeout=timeout_seconds)
    if "SSL" not in security.get("security.protocol", "").upper():
        return connection
    context = ssl.create_default_context(cafile=security.get("ssl.ca.location"))
    if certificate := security.get("ssl.certificate.location"):
        context.load_cert_chain(certificate, security.get("ssl.key.location"), security.get("ssl.key.password"))
    return context.wrap_socket(connection, server_hostname=host)


def raise_features(endpoints: Endpoints, levels: Mapping[str, int]) -> None:
    """Finalise these features at these levels; none is lowered.

    Raises:
        DroplessError: the brokers refuse, or do not know the feature at that level.
        Unreachable: none answers.
    """
    # kafka-python makes every command start later.
    from kafka import KafkaAdminClient  # noqa: PLC0415
    from kafka.errors import KafkaError  # noqa: PLC0415

    try:
        client = KafkaAdminClient(**durability.reassignment_client(endpoints))
        try:
            answers = client.update_features(dict(levels), timeout_ms=UPDATE_MS)
        finally:
            client.close()
    except KafkaError as error:
        raise Unreachable(f"Kafka does not raise the features {', '.join(sorted(levels))}: {error}.") from None
    if refused := {name: answer for name, answer in answers.items() if answer != "OK"}:
        name, answer = next(iter(refused.items()))
        raise DroplessError(f"Kafka refused to raise feature {name}: {answer}.")


class _Reader:
    """The primitive types of Kafka's flexible protocol."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def fixed(self, form: str) -> int:
        found: int = struct.unpack_from(f">{form}", self._content, self._at)[0]
        self._at += struct.calcsize(f">{form}")
        return found

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.fixed("B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def take(self, count: int) -> bytes:
        taken = self._content[self._at : self._at + count]
        self._at += count
        return taken

    def skip_tags(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            self.take(self.varint())


def _features(content: bytes) -> dict[str, int]:
    reader = _Reader(content)
    reader.fixed("i")  # correlation id
    if code := reader.fixed("h"):
        raise OSError(f"Kafka's error {code}")
    for _ in range(reader.varint() - 1):
        reader.fixed("h"), reader.fixed("h"), reader.fixed("h")
        reader.skip_tags()
    reader.fixed("i")  # throttle time
    for _ in range(reader.varint()):
        tag, size = reader.varint(), reader.varint()
        field = _Reader(reader.take(size))
        if tag == _FINALIZED:
            return dict(_level(field) for _ in range(field.varint() - 1))
    return {}


def _level(reader: _Reader) -> tuple[str, int]:
    name = reader.take(reader.varint() - 1).decode()
    highest = reader.fixed("h")
    reader.fixed("h")
    reader.skip_tags()
    return name, highest
