"""SQL queries on Pinot, with an answer that is whole or an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

import httpx
import msgspec

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Recovering, Unreachable

_TYPES: Final = {"BIG_DECIMAL": Decimal, "DOUBLE": float, "FLOAT": float}
# SERVER_SEGMENT_MISSING, BROKER_RESOURCE_MISSING (the broker does not serve a table that there is: it starts; a table
# that there is not is 190), BROKER_REQUEST_SEND (a server's connection broke), SERVER_NOT_RESPONDING.
_AWAY: Final = (305, 410, 425, 427)
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
    reply = json.loads(_asked(endpoints, sql, timeout_seconds), parse_float=Decimal)
    _check(reply)
    result = reply["resultTable"]
    kinds = [_TYPES.get(kind) for kind in result["dataSchema"]["columnDataTypes"]]
    rows = [[_typed(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in result["rows"]]
    return Answer(tuple(result["dataSchema"]["columnNames"]), rows)


def select_as(endpoints: Endpoints, sql: str, row: Any, timeout_seconds: float = 10) -> list[Any]:
    """The whole answer to a query as rows of a tuple type, read several times faster than by `select`.

    A BIG_DECIMAL is a number of any length in the answer: its type is `Decimal`.

    Raises:
        Recovering | Unreachable: as `select`.
        DroplessError: Pinot refused the query, or a value is of another type.
    """
    text = _asked(endpoints, sql, timeout_seconds)
    try:
        reply = msgspec.json.decode(text, type=_Reply[row])
    except msgspec.ValidationError as error:
        raise DroplessError(f"Pinot's answer is not of the types that were asked for: {error}.") from None
    _check(msgspec.structs.asdict(reply))
    return reply.resultTable.rows if reply.resultTable else []


_Row = TypeVar("_Row")


class _Result(msgspec.Struct, Generic[_Row]):
    rows: list[_Row]


class _Reply(msgspec.Struct, Generic[_Row]):
    """What of an answer is looked at, by Pinot's names."""

    resultTable: _Result[_Row] | None = None  # noqa: N815
    exceptions: list[dict[str, Any]] = []
    partialResult: bool = False  # noqa: N815
    numServersQueried: int = 0  # noqa: N815
    numServersResponded: int = 0  # noqa: N815


def _asked(endpoints: Endpoints, sql: str, timeout_seconds: float) -> bytes:
    body = {"sql": sql, "queryOptions": f"timeoutMs={int(timeout_seconds * 1000)}"}
    try:
        # Loopback and cluster addresses never go through a proxy of the environment.
        with httpx.Client(timeout=timeout_seconds + 1, trust_env=False, auth=endpoints.pinot_login) as client:
            response = client.post(f"{endpoints.pinot_broker}/query/sql", json=body)
    except httpx.TransportError as error:
        raise Unreachable(f"Pinot does not answer at {endpoints.pinot_broker}: {error or 'timed out'}.") from error
    if not response.is_success:
        raise Unreachable(f"Pinot is not ready to answer (HTTP {response.status_code}).")
    return response.content


def _check(reply: Mapping[str, Any]) -> None:
    for exception in reply.get("exceptions") or ():
        reason = str(exception.get("message")).strip().splitlines()[0]
        # Errors without a word, or about segments that moved, come from servers that start or stop.
        if exception.get("errorCode") in _AWAY or reason.startswith("null"):
            raise Recovering("Pinot cannot answer in full: a server is starting or stopping, ask again.")
        raise DroplessError(f"Pinot refused the query: {reason}")
    if reply.get("partialResult") or reply.get("numServersResponded", 0) < reply.get("numServersQueried", 0):
        raise Recovering("Only a part of Pinot's servers answered: ask again.")
    if reply.get("resultTable") is None:
        raise Recovering("Pinot gave no result: a server is recovering, ask again.")


def _typed(kind: type[float | Decimal] | None, value: Any) -> Any:
    # Infinity and NaN are texts in the answer.
    if kind is None or value is None:
        return float(value) if isinstance(value, Decimal) else value
    return kind(value)
