"""JSON over HTTP, with what goes wrong told in a sentence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import httpx

from dropless.errors import DroplessError, Unreachable
from dropless.plan import Json


class Rest:
    """A system's REST interface, asked at the first of its addresses that answers."""

    def __init__(self, system: str, urls: Sequence[str], timeout_seconds: float = 30) -> None:
        self._system = system
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._timeout = timeout_seconds

    @cached_property
    def _client(self) -> httpx.Client:
        # Loopback and cluster addresses never go through a proxy of the environment.
        return httpx.Client(timeout=httpx.Timeout(self._timeout, connect=3), trust_env=False)

    def call(
        self, doing: str, method: str, path: str, *, accept: Collection[int] = (), **request: Any
    ) -> httpx.Response:
        """One request; `doing` completes the sentence "<system> refused to ...".

        `accept` holds the error codes that the caller understands and wants back; every 2xx is accepted.

        Raises:
            Unreachable: no address answers.
            DroplessError: any other answer, with the system's own words.
        """
        response = self._send(method, path, **request)
        if not response.is_success and response.status_code not in accept:
            said = message(response)
            if response.status_code in (502, 503, 504):
                raise Unreachable(f"{self._system} is not ready to {doing}: {said}")
            raise DroplessError(f"{self._system} refused to {doing}: {said}")
        return response

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        reason: Exception | None = None
        for url in self._urls:
            try:
                return self._client.request(method, f"{url}{path}", **request)
            except httpx.TransportError as error:
                reason = error
        raise Unreachable(f"{self._system} does not answer at {' or '.join(self._urls)}: {reason or 'no address'}.")


def message(response: httpx.Response) -> str:
    """What the system said, in one line."""
    try:
        body: Json = response.json()
    except ValueError:
        body = response.text
    if isinstance(body, dict):
        body = next((body[name] for name in ("message", "error", "detail", "title") if body.get(name)), body)
    lines = str(body).strip().splitlines()
    return f"{lines[0][:500] if lines else 'no reason given'} (HTTP {response.status_code})"
