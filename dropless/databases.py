"""Connections to the platform's own source databases, as one of its users."""

from __future__ import annotations

from typing import Any, Literal

import psycopg
from pymongo import MongoClient

from dropless import passwords
from dropless.endpoints import Endpoints

User = Literal["admin", "replication", "application"]

Document = dict[str, Any]


def postgresql(
    endpoints: Endpoints, database: str, user: User = "application", *, autocommit: bool = False
) -> psycopg.Connection:
    """A connection to a database of the platform's PostgreSQL, in UTC, refused after 5 seconds.

    Raises:
        psycopg.OperationalError: the server does not answer, or lacks the database or user.
    """
    return psycopg.connect(
        host=endpoints.postgresql_host,
        port=endpoints.postgresql_port,
        dbname=database,
        user=f"dropless_{user}",
        password=passwords.read(endpoints.secrets, f"postgresql_{user}"),
        connect_timeout=5,
        autocommit=autocommit,
        application_name="dropless",
        options="-c timezone=UTC",
    )


def mongodb(endpoints: Endpoints, user: User = "application") -> MongoClient[Document]:
    """A client of the platform's MongoDB; it connects at its first use and gives up after 5 seconds."""
    return MongoClient(
        f"mongodb://{endpoints.mongodb}/",
        username=f"dropless_{user}",
        password=passwords.read(endpoints.secrets, f"mongodb_{user}"),
        authSource="admin",
        directConnection=True,
        # SecantusDB has no awaitable hello: with the default mode the driver loses it every 20 s.
        serverMonitoringMode="poll",
        serverSelectionTimeoutMS=5000,
        connectTimeoutMS=5000,
        appname="dropless",
        tz_aware=True,
    )
