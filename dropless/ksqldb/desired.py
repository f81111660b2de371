"""What must exist in ksqlDB for a contract: streams, and for each source the queries that run its mapping."""

from __future__ import annotations

from typing import Final

from dropless import names
from dropless.contract import Contract
from dropless.ksqldb import naming
from dropless.ksqldb.statements import properties, statements
from dropless.plan import Resource

SYSTEM: Final = "ksqldb"
STREAM: Final = "ksqldb_stream"
MAPPING: Final = "ksqldb_mapping"
RUNNING: Final = "RUNNING"


def streams(contract: Contract) -> list[Resource]:
    """The streams; a stream's name tells its columns, so only what its topic is read as is compared.

    Raises:
        Inexpressible: the contract cannot be said in ksqlDB's SQL.
    """
    return [
        Resource(
            SYSTEM,
            STREAM,
            stream.name,
            {"topic": stream.topic, "key_format": "KAFKA", "value_format": stream.value_format},
            {"statement": stream.statement},
        )
        for stream in statements(contract).streams
    ]


def mappings(contract: Contract) -> list[Resource]:
    """A mapping for each source: the version that its queries must run, and that all of them run.

    Raises:
        Inexpressible: the contract cannot be said in ksqlDB's SQL.
    """
    made = statements(contract)
    table = contract.name
    return [
        Resource(
            SYSTEM,
            MAPPING,
            naming.mapping(table, mapping.source),
            {"version": mapping.version, "queries": {query.role: RUNNING for query in mapping.queries}},
            {
                "table": table,
                "source": mapping.source,
                "topic": names.raw_topic(table, mapping.source),
                "partitions": contract.partitions,
                "statements": {query.role: query.statement for query in mapping.queries},
                "properties": properties(),
                "streams": [stream.name for stream in made.streams],
            },
        )
        for mapping in made.mappings
    ]
