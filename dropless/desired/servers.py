"""The server of a source: the platform's own, or the one whose URI an environment variable holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from dropless.contract import MongodbCollection, PostgresqlTable
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError

USER: Final = "dropless_replication"
POSTGRESQL_SECRET: Final = "postgresql_replication"  # noqa: S105 - the name of a file, not what is in it
MONGODB_SECRET: Final = "mongodb_replication"  # noqa: S105 - the same


@dataclass(frozen=True)
class PostgresqlServer:
    """Where Connect finds a PostgreSQL server; `secret` is the name of the password's file."""

    host: str
    port: int
    user: str
    secret: str
    sslmode: str | None = None


@dataclass(frozen=True)
class MongodbServer:
    """Where Connect finds a MongoDB deployment; `uri` holds no user; `secret` is the name of the password's file."""

    uri: str
    user: str
    secret: str
    authentication_database: str = "admin"


def secret_of(uri_env: str) -> str:
    """The file in which the password of a URI is kept for Connect."""
    return f"uri_{uri_env.lower()}"


def postgresql_server(table: PostgresqlTable, endpoints: Endpoints) -> PostgresqlServer:
    """The table's server.

    Raises:
        DroplessError: the environment variable of its URI is not set, or holds no such URI.
    """
    if table.uri_env is None:
        return PostgresqlServer(endpoints.postgresql_host, endpoints.postgresql_port, USER, POSTGRESQL_SECRET)
    try:
        uri: Mapping[str, Any] = conninfo_to_dict(_uri(table.uri_env, "PostgreSQL"))
    except ProgrammingError:
        # libpq's own words would repeat the URI with its password.
        raise DroplessError(f"{table.uri_env} does not hold a PostgreSQL URI.") from None
    host, port, user = (str(uri.get(part) or "") for part in ("host", "port", "user"))
    if not host or not user or "," in host or not (port or "5432").isdecimal():
        raise DroplessError(f"The URI in {table.uri_env} must name one host, a port as a number, and a user.")
    return PostgresqlServer(host, int(port or 5432), user, secret_of(table.uri_env), uri.get("sslmode"))


def mongodb_server(collection: MongodbCollection, endpoints: Endpoints) -> MongodbServer:
    """The collection's deployment.

    Raises:
        DroplessError: the environment variable of its URI is not set, or holds no such URI.
    """
    if collection.uri_env is None:
        # SecantusDB has no awaitable hello: the driver would lose it every 20 s without polling.
        options = f"replicaSet={endpoints.mongodb_replica_set}&serverMonitoringMode=poll"
        return MongodbServer(f"mongodb://{endpoints.mongodb}/?{options}", USER, MONGODB_SECRET)
    text = _uri(collection.uri_env, "MongoDB")
    try:
        # A srv URI is handed on as it is: Connect looks its hosts up itself.
        parsed = parse_uri(text, validate=False) if text.startswith("mongodb://") else None
    except (PyMongoError, ValueError):
        raise DroplessError(f"{collection.uri_env} does not hold a MongoDB URI.") from None
    scheme, _, rest = text.partition("://")
    credentials, at, location = rest.rpartition("@")
    user = parsed["username"] if parsed else unquote(credentials.partition(":")[0])
    if not at or not user or scheme not in {"mongodb", "mongodb+srv"}:
        raise DroplessError(f"The URI in {collection.uri_env} must be mongodb:// or mongodb+srv:// with a user.")
    source = (parsed["options"].get("authSource") or parsed["database"] if parsed else None) or "admin"
    return MongodbServer(f"{scheme}://{location}", str(user), secret_of(collection.uri_env), str(source))


def _uri(variable: str, system: str) -> str:
    if uri := os.environ.get(variable):
        return uri
    raise DroplessError(f"{variable} is not set: it must hold the URI of the {system} server that a contract reads.")
