"""Connections to a source's database with the rights of its connector, on the platform's own server or another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, PyMongoError

from dropless import databases
from dropless.contract import MongodbCollection, PostgresqlTable
from dropless.databases import Document
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable


def postgresql(endpoints: Endpoints, origin: PostgresqlTable) -> psycopg.Connection[Any]:
    """A connection that commits every statement by itself.

    Raises:
        psycopg.OperationalError: the server does not answer.
        DroplessError: the variable that should hold its URI does not.
    """
    variable = origin.uri_env
    if variable is None:
        return databases.postgresql(endpoints, origin.database, "replication", autocommit=True)
    uri = os.environ.get(variable)
    if not uri:
        raise DroplessError(f"{variable} is not set: it must hold the URI of the PostgreSQL server.")
    try:
        return psycopg.connect(uri, dbname=origin.database, connect_timeout=5, autocommit=True)
    except psycopg.ProgrammingError:
        # libpq's own words would repeat the URI with its password.
        raise DroplessError(f"{variable} does not hold a PostgreSQL URI.") from None


def mongodb(endpoints: Endpoints, origin: MongodbCollection) -> MongoClient[Document]:
    """A client, which connects at its first use.

    Raises:
        DroplessError: the variable that should hold the server's URI does not.
    """
    variable = origin.uri_env
    if variable is None:
        return databases.mongodb(endpoints, "replication")
    uri = os.environ.get(variable)
    if not uri:
        raise DroplessError(f"{variable} is not set: it must hold the URI of the MongoDB server.")
    try:
        return MongoClient(uri, serverSelectionTimeoutMS=5000, appname="dropless")
    except (PyMongoError, ValueError):
        # The driver's own words may repeat a part of the URI.
        raise DroplessError(f"{variable} does not hold a usable MongoDB URI.") from None


@contextmanager
def answering_postgresql(database: str) -> Iterator[None]:
    """What goes wrong in a PostgreSQL database, as one sentence.

    Raises:
        Unreachable: it does not answer.
        DroplessError: it refused.
    """
    try:
        yield
    except psycopg.OperationalError as error:
        raise Unreachable(f"PostgreSQL database {database!r} does not answer: {_first_line(error)}.") from None
    except psycopg.Error as error:
        raise DroplessError(f"PostgreSQL database {database!r} refused: {_first_line(error)}.") from None


@contextmanager
def answering_mongodb(database: str) -> Iterator[None]:
    """The same of MongoDB."""
    try:
        yield
    except ConnectionFailure as error:
        raise Unreachable(f"MongoDB does not answer when asked about {database!r}: {_first_line(error)}.") from None
    except PyMongoError as error:
        raise DroplessError(f"MongoDB refused in {database!r}: {_first_line(error)}.") from None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
