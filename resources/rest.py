"""JSON over HTTP, with what goes wrong told in a sentence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import httpx

from dropless.errors import DroplessError, Unreachable
from dropless.plan import Json

NOT_READY = (502, 503, 504)

Login = tuple[str, str] | None
"""User and password; None where a system asks for none."""


class Rest:
    """A system's REST interface, asked at the first of its addresses that answers."""

    def __init__(self, system: str, urls: Sequence[str], timeout_seconds: float = 30, login: Login = None) -> None:
        self._system = system
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._timeout = timeout_seconds
        self._login = login

    @cached_property
    def _client(self) -> httpx.Client:
        # Loopback and cluster addresses never go through a proxy of the environment.
        return httpx.Client(timeout=httpx.Timeout(self._timeout, connect=3), trust_env=False, auth=self._login)

    def call(
        self, doing: str, method: str, path: str, *, accept: Collection[int] = (), **request: Any
    ) -> httpx.Response:
        """One request; `doing` completes the sentence "<system> refused to ...".

        `accept` holds the error codes that the caller understands and wants back; every 2xx is accepted.

        Raises:
            Unreachable: no address answers, or it is not ready yet.
            DroplessError: any other answer, with the system's own words.
        """
        response = self._send(method, path, **request)
        if response.status_code in NOT_READY or _no_interface_yet(response):
            raise Unreachable(f"{self._system} is not ready to {doing}: {message(response)}")
        if not response.is_success and response.status_code not in accept:
            raise DroplessError(f"{self._system} refused to {doing}: {message(response)}")
        return response

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        reason: Exception | None = None
        for url in self._urls:
            try:
                return self._client.request(method, f"{url}{path}", **request)
            except httpx.TransportError as error:
                reason = error
        raise Unreachable(f"{self._system} does not answer at {' or '.join(self._urls)}: {reason or 'no address'}.")


def _no_interface_yet(response: httpx.Response) -> bool:
    # A Connect worker that starts has a web server already, whose 404 must not be taken for a missing connector.
    return response.status_code == 404 and "html" in response.headers.get("content-type", "")


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
