"""A way to the object store that goes wrong: it is busy, silent, loses answers, or forgets conditions."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from dropless.lake.store import Store

BUSY = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.'
    b"</Message></Error>"
)


@dataclass
class Fault:
    """What happens to the next `times` requests that it means."""

    kind: str
    """`busy`, `silent`, `lost` (done, but nobody is told) or `careless` (done without its condition)."""
    meant: Callable[[str, str], bool]
    """Told method and path with query."""
    times: int = 1_000_000
    met: int = 0
    read: int = 0
    """Bytes of answers to GETs that went through."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def strikes(self, method: str, path: str) -> bool:
        with self.lock:
            if self.met >= self.times or not self.meant(method, path):
                return False
            self.met += 1
            return True


def in_multipart(method: str, path: str) -> bool:
    return method in ("PUT", "POST") and ("uploadId=" in path or "uploads" in path)


def in_commit(method: str, path: str) -> bool:
    return method == "PUT" and "_delta_log/" in path and path.partition("?")[0].endswith(".json")


def nothing(method: str, path: str) -> bool:
    return False


def any_put(method: str, path: str) -> bool:
    return method == "PUT"


class Handler(BaseHTTPRequestHandler):
    """One connection to the proxy; a subclass for each proxy says whose."""

    protocol_version = "HTTP/1.1"
    store: Store
    fault: Fault
    released: threading.Event

    def log_message(self, *_: object) -> None:
        pass

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.fault.kind if self.fault.strikes(self.command, self.path) else ""
        if kind == "busy":
            self._answer(503, [("Content-Type", "application/xml")], BUSY)
        elif kind == "silent":
            self.released.wait()
            self.close_connection = True
        elif kind == "careless" and self.headers.get("If-None-Match"):
            self._put_anyway(body)
        elif kind == "lost":
            self._forward(body)
            self.close_connection = True
        else:
            status, headers, content = self._forward(body)
            if self.command == "GET":
                with self.fault.lock:
                    self.fault.read += len(content)
            self._answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        at = urlsplit(self.store.endpoint)
        connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=60)
        # Headers as they are: the signature covers the host's name, too.
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        try:
            connection.endheaders(body)
            found = connection.getresponse()
            content = found.read()
        except OSError:
            return 503, [("Content-Type", "application/xml")], BUSY
        finally:
            connection.close()
        left = [each for each in found.getheaders() if each[0].lower() not in ("transfer-encoding", "connection")]
        return found.status, left, content

    def _put_anyway(self, body: bytes) -> None:
        bucket, _, key = unquote(self.path.partition("?")[0]).lstrip("/").partition("/")
        try:
            done = self.store.client().put_object(Bucket=bucket, Key=key, Body=body)
        except ClientError as error:
            self._answer(error.response["ResponseMetadata"]["HTTPStatusCode"], [], b"")
        else:
            self._answer(200, [("ETag", done["ETag"])], b"")

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        told = {name.lower(): value for name, value in headers}
        for name, value in ({"content-length": str(len(body))} | told).items():
            self.send_header(name, value)
        try:
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except ConnectionError:
            # Whoever asked was killed or has given up.
            self.close_connection = True


@contextmanager
def proxy(store: Store, fault: Fault) -> Iterator[str]:
    """The address of the way; requests reach the store as they were signed."""
    released = threading.Event()
    handler = type("ThisHandler", (Handler,), {"store": store, "fault": fault, "released": released})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()
