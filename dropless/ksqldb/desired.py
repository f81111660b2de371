"""What must exist in ksqlDB for a contract: streams, and for each source the queries that run its mapping."""

from __future__ import annotations

from typing import Any, Final

from dropless import durability, names
from dropless.contract import Contract
from dropless.ksqldb import naming
from dropless.ksqldb.statements import Statements, statements
from dropless.plan import Resource

SYSTEM: Final = "ksqldb"
STREAM: Final = "ksqldb_stream"
MAPPING: Final = "ksqldb_mapping"
RUNNING: Final = "RUNNING"


def resources(contract: Contract) -> list[Resource]:
    """The streams, and a mapping for each source: the version that its queries must run, and that all of them run.

    A stream's name tells its columns, so only what its topic is read as is compared.

    Raises:
        Inexpressible: the contract cannot be said in ksqlDB's SQL.
    """
    made = statements(contract)
    return [*_streams(made), *_mappings(contract, made)]


def given_back(contract: Contract) -> list[Resource]:
    """Of a table that workers unite: for each source that no query runs, and that the workers need not wait for one."""
    return [
        Resource(
            SYSTEM,
            MAPPING,
            naming.mapping(contract.name, source.name),
            {"version": "", "queries": {}},
            _place(contract, source.name) | {"streams": []},
        )
        for source in contract.sources
    ]


def _place(contract: Contract, source: str) -> dict[str, Any]:
    topic = names.raw_topic(contract.name, source)
    return {"table": contract.name, "source": source, "topic": topic, "partitions": contract.partitions}


def _streams(made: Statements) -> list[Resource]:
    return [
        Resource(
            SYSTEM,
            STREAM,
            stream.name,
            {"topic": stream.topic, "key_format": "KAFKA", "value_format": stream.value_format},
            {"statement": stream.statement},
        )
        for stream in made.streams
    ]


def _mappings(contract: Contract, made: Statements) -> list[Resource]:
    table = contract.name
    return [
        Resource(
            SYSTEM,
            MAPPING,
            naming.mapping(table, mapping.source),
            {"version": mapping.version, "queries": {query.role: RUNNING for query in mapping.queries}},
            _place(contract, mapping.source)
            | {
                "statements": {query.role: query.statement for query in mapping.queries},
                "properties": durability.ksqldb_statement(),
                "streams": [stream.name for stream in made.streams],
            },
        )
        for mapping in made.mappings
    ]
