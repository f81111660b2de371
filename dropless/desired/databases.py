"""What the source databases need so that every change can be captured."""

from __future__ import annotations

from typing import Any, Final

from dropless import names
from dropless.contract import Contract, Source
from dropless.desired.servers import USER, secret_of
from dropless.endpoints import Endpoints
from dropless.plan import Resource

HEARTBEAT_TABLE: Final = f"{names.SOURCE_SCHEMA}.heartbeat"
"""A table that changes every few seconds, so that a slot on an idle database moves on and frees its WAL."""
HEARTBEAT_COLLECTION: Final = "dropless_heartbeat"
"""The same in a MongoDB database, where Debezium writes none itself: the sensors do."""
THERE: Final = "there"
MISSING: Final = "missing"
"""Of a column that a contract reads, whether the source's table has it."""
PUBLISH: Final = "insert,update,delete,truncate"


def signal_table(table: str, source: str) -> str:
    """The table of a PostgreSQL source's signals, with its schema."""
    return f"{names.SOURCE_SCHEMA}.{names.signal_table(table, source)}"


def postgresql_sources(contract: Contract, _: Endpoints) -> list[Resource]:
    """The captured PostgreSQL tables: whole rows in the WAL, a publication, a role with the least rights."""
    made = []
    for source in contract.sources:
        if source.postgresql is None:
            continue
        table = source.postgresql
        properties: dict[str, Any] = {
            "database": table.database,
            "table": table.table,
            # Without it, a delete says only the key and an unchanged large value is left out.
            "replica_identity": "full",
            "publication": {
                "name": names.publication(contract.name, source.name),
                "tables": [table.table, HEARTBEAT_TABLE, signal_table(contract.name, source.name)],
                "publish": PUBLISH,
            },
            "heartbeat": True,
            "signals": signal_table(contract.name, source.name),
            "slot": names.slot(contract.name, source.name),
            "columns": dict.fromkeys(_read(source), THERE),
        }
        name = names.connector(contract.name, source.name)
        user, hints = _access(table.uri_env, "role")
        hints |= {"key": list(table.key), "topic": names.raw_topic(contract.name, source.name), "reads": _read(source)}
        made.append(Resource("postgresql", "postgresql_source", name, properties | user, hints))
    return made


def mongodb_sources(contract: Contract, _: Endpoints) -> list[Resource]:
    """The captured collections: pre- and post-images on, a collection of signals, and a user that may read them."""
    made = []
    for source in contract.sources:
        if source.mongodb is None:
            continue
        properties: dict[str, Any] = {
            "database": source.mongodb.database,
            "collection": source.mongodb.collection,
            "pre_images": True,
            "signals": names.signal_collection(contract.name, source.name),
        }
        name = names.connector(contract.name, source.name)
        user, hints = _access(source.mongodb.uri_env, "user")
        made.append(Resource("mongodb", "mongodb_source", name, properties | user, hints))
    return made


def _read(source: Source) -> dict[str, list[str]]:
    """What every row must have, in words, and the columns of which each needs one."""
    needed = {tuple(dict.fromkeys(each.needed)) for each in source.columns.values() if each.needed}
    return {" or ".join(columns): list(columns) for columns in sorted(needed)}


def _access(uri_env: str | None, user: str) -> tuple[dict[str, Any], dict[str, Any]]:
    # On another server the user of the URI captures; its password is copied to where Connect reads passwords.
    if uri_env is None:
        return {user: USER}, {}
    return {"secret": secret_of(uri_env)}, {"uri_env": uri_env}
