"""MongoDB source collections, made ready for capture: pre-images on, and a user that may read them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from dropless import databases, passwords
from dropless.databases import Document
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from dropless.plan import Change, Json, Resource

# Roles that let their holder read, and so watch, a database; those of `admin` hold for every database.
_READING = {"read", "readWrite", "dbOwner"}
_READING_ANY = {"readAnyDatabase", "readWriteAnyDatabase", "root"}


class MongodbSources:
    """Captured collections, on the platform's server or on the one of a URI.

    The hint `uri_env` names the environment variable with the URI of another server; the property
    `secret` names the file that holds the URI's password for Connect.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """Every collection's options and what its capturing user may do.

        Raises:
            DroplessError: the database or the collection is missing.
        """
        return {resource.id: self._observe(resource) for resource in desired}

    def apply(self, change: Change) -> None:
        """Switch pre-images on and let the user read; the documents are not touched."""
        source = change.desired
        database, collection = source.properties["database"], source.properties["collection"]
        with self._connected(source) as client:
            if source.properties.get("pre_images"):
                enabled = {"enabled": True}
                client[database].command("collMod", collection, changeStreamPreAndPostImages=enabled)
            user = source.properties.get("user")
            if user and self._user(client, source) != user:
                client.admin.command("grantRolesToUser", user, roles=[{"role": "read", "db": database}])
        if "secret" in source.properties:
            passwords.write(self._endpoints.secrets / source.properties["secret"], _uri_password(source))

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Nothing to wait for: both commands are done when they are answered."""

    def newest(self, source: Resource, count: int) -> list[Document]:
        """The documents with the greatest ids, which as a rule are the newest.

        Raises:
            DroplessError: the database does not answer.
        """
        with self._connected(source) as client:
            collection = client[source.properties["database"]][source.properties["collection"]]
            return list(collection.find({}, sort=[("_id", -1)], limit=count))

    def _observe(self, source: Resource) -> Resource:
        database, collection = source.properties["database"], source.properties["collection"]
        with self._connected(source) as client:
            listed = list(client[database].list_collections(filter={"name": collection}))
            if not listed:
                raise DroplessError(
                    f"There is no collection {collection!r} in MongoDB database {database!r}: "
                    "create it, or correct `database` and `collection` in the contract."
                )
            pre_images = listed[0].get("options", {}).get("changeStreamPreAndPostImages", {})
            found: dict[str, Json] = {
                "database": database,
                "collection": collection,
                "pre_images": bool(pre_images.get("enabled", False)),
                "user": self._user(client, source),
                "secret": self._kept_secret(source),
            }
        managed = {name: value for name, value in found.items() if name in source.properties}
        return Resource(source.system, source.kind, source.name, managed)

    def _user(self, client: MongoClient[Document], source: Resource) -> str | None:
        user = source.properties.get("user")
        if user is None:
            return None
        users = client.admin.command("usersInfo", user)["users"]
        if not users:
            raise DroplessError(f"MongoDB has no user {user!r} in its admin database: create it with a password.")
        database = source.properties["database"]
        return user if may_read(users[0].get("roles", ()), database) else f"{user} without read on {database}"

    def _kept_secret(self, source: Resource) -> str | None:
        name = source.properties.get("secret")
        if name is None:
            return None
        path = self._endpoints.secrets / name
        return name if path.is_file() and path.read_text() == _uri_password(source) else None

    def _client(self, source: Resource) -> MongoClient[Document]:
        if not source.hints.get("uri_env"):
            return databases.mongodb(self._endpoints, "admin")
        try:
            return MongoClient(_uri(source), serverSelectionTimeoutMS=5000, appname="dropless")
        except (PyMongoError, ValueError):
            # The driver's own words may repeat a part of the URI.
            raise DroplessError(f"{source.hints['uri_env']} does not hold a usable MongoDB URI.") from None

    @contextmanager
    def _connected(self, source: Resource) -> Iterator[MongoClient[Document]]:
        place = f"{source.properties['database']}.{source.properties['collection']}"
        try:
            with self._client(source) as client:
                yield client
        except ConnectionFailure as error:
            reason = str(error).split(" (")[0].split(",")[0]
            raise Unreachable(f"MongoDB does not answer when asked about {place}: {reason}.") from None
        except OperationFailure as error:
            said = error.details.get("errmsg") if error.details else None
            raise DroplessError(f"MongoDB refused to prepare {place} for capture: {said or error}.") from None
        except PyMongoError as error:
            raise DroplessError(f"MongoDB could not be asked about {place}: {error}.") from None


def may_read(roles: Sequence[dict[str, Any]], database: str) -> bool:
    """Whether one of a user's roles lets it read the database."""
    return any(
        (each["db"] == database and each["role"] in _READING)
        or (each["db"] == "admin" and each["role"] in _READING_ANY)
        for each in roles
    )


def _uri_password(source: Resource) -> str:
    password = parse_uri(_uri(source)).get("password")
    if not password:
        raise DroplessError(f"The URI in {source.hints['uri_env']} has no password, which Connect needs.")
    return str(password)


def _uri(source: Resource) -> str:
    variable = source.hints["uri_env"]
    if uri := os.environ.get(variable):
        return uri
    raise DroplessError(f"{variable} is not set: it must hold the URI of the MongoDB server of {source.name!r}.")
