"""How long a change in the store takes to Pinot, measured with one."""

from __future__ import annotations

import time
from typing import Final

import psycopg

from dropless import databases, pinot
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, NotReady, Unreachable

_INSERT: Final = """
insert into public.orders (customer_no, total_cents, currency, state, created, changed)
values (0, 0, 'EUR', 'N', now() at time zone 'Europe/Berlin', now() at time zone 'Europe/Berlin')
returning id
"""
_PAUSE_SECONDS: Final = 0.02


def measure_freshness(endpoints: Endpoints, table: str = "orders", timeout_seconds: float = 60) -> float:
    """Seconds from the commit of a new order in the store until a query on Pinot sees it.

    The order is deleted again.

    Raises:
        NotReady: it was not visible in time.
        DroplessError: the store does not answer.
    """
    try:
        with databases.postgresql(endpoints, "store", autocommit=True) as connection:
            row = connection.execute(_INSERT).fetchone()
            began = time.monotonic()
            number = row[0] if row else None
            try:
                return _wait(endpoints, table, f"store:{number}", began, timeout_seconds)
            finally:
                connection.execute("delete from public.orders where id = %s", [number])
    except psycopg.Error as error:
        raise DroplessError(f"The store does not take an order: {str(error).strip().splitlines()[0]}") from error


def _wait(endpoints: Endpoints, table: str, key: str, began: float, timeout_seconds: float) -> float:
    query = f"""select count(*) from "{table}" where "_key" = '{key}' and "_deleted" = false"""  # noqa: S608
    reason = ""
    while (passed := time.monotonic() - began) < timeout_seconds:
        try:
            if pinot.select(endpoints, query).value():
                return time.monotonic() - began
        except Unreachable as error:
            reason = f" ({error})"
        time.sleep(_PAUSE_SECONDS)
    raise NotReady(
        f"A new order in the store was not visible in Pinot within {passed:.0f} s{reason}: see `dropless status`."
    )
