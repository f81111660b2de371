"""Making the example's databases, tables and first orders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from psycopg import sql
from pymongo.errors import PyMongoError

from dropless import databases
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.example import marketplace, store, webshop
from dropless.example.orders import LifeCycles, Status
from dropless.example.shop import Due, Shop
from dropless.settings import Settings

SOURCES: Final = ("store", "webshop", "marketplace")
_TABLES: Final = {store.DATABASE: store.TABLES, webshop.DATABASE: webshop.TABLES}


def load(
    settings: Settings,
    endpoints: Endpoints,
    rows: int = 1000,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Make the example's databases and tables, and `rows` orders in each that has none.

    What exists stays: loading twice is loading once.

    Raises:
        DroplessError: a database does not answer.
    """
    del settings  # The endpoints say all; the signature is every provisioning step's.
    try:
        for database, statements in _TABLES.items():
            progress(f"database {database}")
            _make_database(endpoints, database)
            with databases.postgresql(endpoints, database) as connection:
                connection.execute(statements.encode())
        progress(f"database {marketplace.DATABASE}")
        with databases.mongodb(endpoints) as client:
            collections = client[marketplace.DATABASE]
            if marketplace.COLLECTION not in collections.list_collection_names():
                collections.create_collection(marketplace.COLLECTION)
        for source in SOURCES:
            shop = open_shop(source, endpoints)
            try:
                if rows and shop.count() == 0:
                    progress(f"{rows} orders in {source}")
                    shop.commit(_first_orders(source, rows))
            finally:
                shop.close()
    except (psycopg.Error, PyMongoError) as error:
        raise DroplessError(f"The example could not be loaded: {_sentence(error)}") from error


def open_shop(source: str, endpoints: Endpoints) -> Shop:
    """The shop of that name, connected as the application that owns its tables.

    Raises:
        DroplessError: there is no such shop, or its database does not answer.
    """
    try:
        match source:
            case "store":
                return store.Store(databases.postgresql(endpoints, store.DATABASE))
            case "webshop":
                return webshop.Webshop(databases.postgresql(endpoints, webshop.DATABASE))
            case "marketplace":
                return marketplace.Marketplace(databases.mongodb(endpoints))
            case _:
                raise DroplessError(f"There is no source {source!r} in the example; it has {', '.join(SOURCES)}.")
    except psycopg.OperationalError as error:
        raise DroplessError(
            f"The source {source!r} does not answer ({_sentence(error)}): run `dropless up` first."
        ) from error


def _make_database(endpoints: Endpoints, database: str) -> None:
    with databases.postgresql(endpoints, "postgres", "admin", autocommit=True) as connection:
        exists = connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone()
        if not exists:
            statement = sql.SQL("create database {} owner dropless_application encoding 'UTF8'")
            connection.execute(statement.format(sql.Identifier(database)))


def _first_orders(source: str, rows: int) -> list[Due]:
    """Orders of the last thirty days, in every state."""
    orders = LifeCycles(seed=f"first orders of {source}")
    now = datetime.now(UTC)
    step = timedelta(days=30) / rows
    states = list(Status)
    return [Due(orders.place(states[index % len(states)]), now - step * (rows - index)) for index in range(rows)]


def _sentence(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
