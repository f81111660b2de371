"""What must exist for the declared tables: pure functions from contracts to resources."""

from __future__ import annotations

from collections.abc import Sequence

from dropless.contract import Contract
from dropless.desired.databases import mongodb_sources, postgresql_sources
from dropless.desired.kafka import probe_topics, topics
from dropless.desired.kafka_connect import connectors, running
from dropless.desired.pinot import pinot_schemas, pinot_tables
from dropless.desired.schema_registry import subjects
from dropless.desired.storage import buckets, s3_users
from dropless.endpoints import Endpoints
from dropless.ksqldb import desired as ksqldb
from dropless.plan import Resource

__all__ = [
    "buckets",
    "connectors",
    "everything",
    "mongodb_sources",
    "pinot_schemas",
    "pinot_tables",
    "postgresql_sources",
    "probe_topics",
    "running",
    "s3_users",
    "subjects",
    "topics",
    "union_queries",
]


def everything(contracts: Sequence[Contract], endpoints: Endpoints) -> list[Resource]:
    """All that must exist, each thing after those that it needs.

    Raises:
        Inexpressible: ksqlDB is to unite a table and cannot.
    """
    made = [*buckets(), *s3_users(), *probe_topics(endpoints)]
    for contract in contracts:
        made += topics(contract)
        made += subjects(contract)
        made += postgresql_sources(contract, endpoints)
        made += mongodb_sources(contract, endpoints)
        made += connectors(contract, endpoints)
        made += pinot_schemas(contract)
        made += pinot_tables(contract, endpoints)
        made += union_queries(contract, endpoints)
    return made


def union_queries(contract: Contract, endpoints: Endpoints) -> list[Resource]:
    """The streams and queries of a table that ksqlDB unites; of one that workers unite, that it has none.

    Raises:
        Inexpressible: it cannot unite this one.
    """
    if contract.name in endpoints.ksqldb_tables:
        return ksqldb.resources(contract)
    return ksqldb.given_back(contract) if endpoints.ksqldb else []
