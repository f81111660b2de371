"""MongoDB source collections, made ready for capture: pre-images, a collection of signals, a user's rights."""

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
_SIGNALLING = ["find", "insert", "remove"]
# A change without pre-images could stop the change stream.
_PRE_IMAGES = {"enabled": True}


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
        """Switch pre-images on, make the signals' collection, let the user read; the documents are not touched."""
        source = change.desired
        database, collection = source.properties["database"], source.properties["collection"]
        with self._connected(source) as client:
            if source.properties.get("pre_images"):
                client[database].command("collMod", collection, changeStreamPreAndPostImages=_PRE_IMAGES)
            signals = source.properties.get("signals")
            if signals and (options := _options(client, database, signals)) is None:
                client[database].create_collection(signals, changeStreamPreAndPostImages=_PRE_IMAGES)
            elif signals and not _pre_images(options):
                client[database].command("collMod", signals, changeStreamPreAndPostImages=_PRE_IMAGES)
            user = source.properties.get("user")
            if user and self._user(client, source) != user:
                self._grant(client, user, database, signals)
        if "secret" in source.properties:
            passwords.write(self._endpoints.secrets / source.properties["secret"], _uri_password(source))

    def _grant(self, client: MongoClient[Document], user: str, database: str, signals: str | None) -> None:
        roles = [{"role": "read", "db": database}]
        if signals:
            # A role for one collection: `readWrite` would let the connector write to the application's.
            privileges = [{"resource": {"db": database, "collection": signals}, "actions": _SIGNALLING}]
            known = client.admin.command("rolesInfo", signals)["roles"]
            client.admin.command("updateRole" if known else "createRole", signals, privileges=privileges, roles=[])
            roles.append({"role": signals, "db": "admin"})
        client.admin.command("grantRolesToUser", user, roles=roles)

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
            options = _options(client, database, collection)
            if options is None:
                raise DroplessError(
                    f"There is no collection {collection!r} in MongoDB database {database!r}: "
                    "create it, or correct `database` and `collection` in the contract."
                )
            signals = source.properties.get("signals")
            found: dict[str, Json] = {
                "database": database,
                "collection": collection,
                "pre_images": _pre_images(options),
                "signals": signals if signals and _pre_images(_options(client, database, signals)) else None,
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
        database, signals = source.properties["database"], source.properties.get("signals")
        held = users[0].get("roles", ())
        if not may_read(held, database):
            return f"{user} without read on {database}"
        if signals and not _may_signal(client, held, database, signals):
            return f"{user} without insert on {database}.{signals}"
        return str(user)

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


def _options(client: MongoClient[Document], database: str, collection: str) -> dict[str, Any] | None:
    listed = list(client[database].list_collections(filter={"name": collection}))
    return dict(listed[0].get("options", {})) if listed else None


def _pre_images(options: dict[str, Any] | None) -> bool:
    return bool((options or {}).get("changeStreamPreAndPostImages", {}).get("enabled", False))


def _may_signal(client: MongoClient[Document], roles: Sequence[dict[str, Any]], database: str, collection: str) -> bool:
    if not any(each["role"] == collection and each["db"] == "admin" for each in roles):
        return False
    known = client.admin.command("rolesInfo", collection, showPrivileges=True)["roles"]
    wanted = {"db": database, "collection": collection}
    return any(
        each["resource"] == wanted and set(_SIGNALLING) <= set(each["actions"])
        for role in known
        for each in role.get("privileges", ())
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
