"""How a process of ours is: a JSON document on a loopback port."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from dropless.errors import DroplessError
from dropless.settings import LOOPBACK


class StatusServer:
    """Serves `snapshot()` as JSON on every GET; port 0 takes a free one."""

    def __init__(self, port: int, snapshot: Callable[[], dict[str, Any]]) -> None:
        """Listen at once.

        Raises:
            DroplessError: the port is taken.
        """

        class Handler(BaseHTTPRequestHandler):
            # A reader that stops reading must not keep a thread for ever.
            timeout = 5

            def do_GET(self) -> None:
                body = orjson.dumps(snapshot(), option=orjson.OPT_NON_STR_KEYS)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
                """Keep requests out of the log."""

        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), Handler)
        except OSError as error:
            raise DroplessError(
                f"Port {port} on {LOOPBACK} cannot be listened on ({error.strerror}): "
                "stop what uses it, or choose another DROPLESS_PORT_BASE."
            ) from None
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="status", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
