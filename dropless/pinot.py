"""SQL queries on Pinot, with an answer that is whole or an error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import httpx

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Recovering, Unreachable

_TYPES: Final = {"BIG_DECIMAL": Decimal, "DOUBLE": float, "FLOAT": float}
# SERVER_SEGMENT_MISSING, BROKER_REQUEST_SEND (a server's connection broke), SERVER_NOT_RESPONDING.
_AWAY: Final = (305, 425, 427)
UNLIMITED = 2_147_483_647
"""A LIMIT that no table reaches; without one Pinot gives ten rows."""


@dataclass(frozen=True)
class Answer:
    """A query's result: column names and rows of JSON values, with a Decimal where Pinot has a BIG_DECIMAL."""

    columns: tuple[str, ...]
    rows: list[list[Any]]

    def value(self) -> Any:
        """The first column of the first row, None without rows."""
        return self.rows[0][0] if self.rows else None


def select(endpoints: Endpoints, sql: str, timeout_seconds: float = 10) -> Answer:
    """The whole answer to a query.

    Raises:
        Recovering: only a part of the servers or segments answered, as happens while a server starts or stops.
        Unreachable: the broker does not answer.
        DroplessError: Pinot refused the query.
    """
    milliseconds = int(timeout_seconds * 1000)
    body = {"sql": sql, "queryOptions": f"timeoutMs={milliseconds}"}
    try:
        # Loopback and cluster addresses never go through a proxy of the environment.
        with httpx.Client(timeout=timeout_seconds + 1, trust_env=False) as client:
            response = client.post(f"{endpoints.pinot_broker}/query/sql", json=body)
    except httpx.TransportError as error:
        raise Unreachable(f"Pinot does not answer at {endpoints.pinot_broker}: {error or 'timed out'}.") from error
    if not response.is_success:
        raise Unreachable(f"Pinot is not ready to answer (HTTP {response.status_code}).")
    return _answer(json.loads(response.text, parse_float=Decimal))


def _answer(reply: dict[str, Any]) -> Answer:
    for exception in reply.get("exceptions") or ():
        reason = str(exception.get("message")).strip().splitlines()[0]
        # Errors without a word, or about segments that moved, come from servers that start or stop.
        if exception.get("errorCode") in _AWAY or reason.startswith("null"):
            raise Recovering("Pinot cannot answer in full: a server is starting or stopping, ask again.")
        raise DroplessError(f"Pinot refused the query: {reason}")
    if reply.get("partialResult") or reply.get("numServersResponded", 0) < reply.get("numServersQueried", 0):
        raise Recovering("Only a part of Pinot's servers answered: ask again.")
    result = reply.get("resultTable")
    if result is None:
        raise Recovering("Pinot gave no result: a server is recovering, ask again.")
    kinds = [_TYPES.get(kind) for kind in result["dataSchema"]["columnDataTypes"]]
    rows = [[_typed(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in result["rows"]]
    return Answer(tuple(result["dataSchema"]["columnNames"]), rows)


def _typed(kind: type[float | Decimal] | None, value: Any) -> Any:
    # Infinity and NaN are texts in the answer.
    if kind is None or value is None:
        return float(value) if isinstance(value, Decimal) else value
    return kind(value)
