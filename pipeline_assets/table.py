"""What is made for one unified table, from the publications at its sources to the Pinot table and our processes."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from dropless import desired, names
from dropless.contract import Contract
from dropless.declared import contract_digest
from dropless.endpoints import Endpoints
from dropless.plan import Resource, digest
from pipeline_assets import keys
from pipeline_assets.installation import Installation
from pipeline_assets.provisioned import Desired, provisioned

ICONS = {
    "postgresql_source": "postgresql",
    "mongodb_source": "mongodb",
    "topic": "kafka",
    "subject": "json",
    "connector": "debezium",
    "pinot_schema": "pinot",
    "pinot_table": "pinot",
}

DESCRIPTIONS = {
    "postgresql_source": "What a connector needs at its source: a publication of exactly its tables, REPLICA IDENTITY "
    "FULL so that a delete carries the whole row, a heartbeat table, and the least rights for the replication role.",
    "mongodb_source": "What a connector needs at its source: pre-images, so that a delete carries the whole document, "
    "and a user that may read the change stream.",
    "topic": "The topic itself: partitions, three replicas, and the settings of the durability table.",
    "subject": "The JSON Schema of a topic's values. Compatibility is BACKWARD: a change that would break a reader of "
    "older records is refused.",
    "connector": "The Debezium connector that captures one source into its raw topic, exactly once.",
    "pinot_schema": "The table's columns as Pinot stores them.",
    "pinot_table": "The real-time upsert table: it reads committed records of the unified topic and keeps the "
    "newest of each key.",
}


def provisioning(contract: Contract, installation: Installation) -> dg.Definitions:
    """One multi-asset per kind of thing, each asset one thing, and our processes."""
    steps: dict[str, Desired] = {
        "sources": lambda at: [
            *desired.postgresql_sources(contract, at.endpoints),
            *desired.mongodb_sources(contract, at.endpoints),
        ],
        "topics": lambda _: desired.topics(contract),
        "subjects": lambda _: desired.subjects(contract),
        "connectors": lambda at: desired.connectors(contract, at.endpoints),
        "pinot": lambda at: [*desired.pinot_schemas(contract), *desired.pinot_tables(contract, at.endpoints)],
    }
    made = []
    for name, wanted in steps.items():
        specs = [_spec(contract, resource) for resource in wanted(installation)]
        made.append(provisioned(f"{contract.name}_{name}", specs, wanted, pool=_pool(contract)))
    queries = union_key(contract, installation) == keys.union_queries(contract.name)
    united = _queries(contract, installation) if queries else _union(contract, installation)
    return dg.Definitions.merge(*made, united, _lake_writer(contract))


def union_key(contract: Contract, installation: Installation) -> dg.AssetKey:
    """The asset of what unites a table's sources: ksqlDB's queries, or our workers."""
    queries = contract.name in installation.endpoints.ksqldb_tables
    return keys.union_queries(contract.name) if queries else keys.union_worker(contract.name)


def _pool(contract: Contract) -> str:
    return f"provision_{contract.name}"


def _union(contract: Contract, installation: Installation) -> dg.Definitions:
    # Where ksqlDB is, it may have united this table before: then it has to let go of it.
    queries = _union_queries(contract) if installation.endpoints.ksqldb else None
    means = "ksqlDB has let go of the table, if it united it before, and the processes go on where it ended"
    spec = dg.AssetSpec(
        keys.union_worker(contract.name),
        deps=[*_union_needs(contract), keys.lake_writer(contract.name)],
        description="The processes that unite the sources: they read the raw topics, map by the contract, and write "
        "unified rows, dead letters and their own progress in one Kafka transaction. Supervised outside of Dagster; "
        f"materialising means that {means if queries else 'they run as declared and are healthy'}.",
    )
    return _processes(contract, "union", spec, queries)


def _lake_writer(contract: Contract) -> dg.Definitions:
    spec = dg.AssetSpec(
        keys.lake_writer(contract.name),
        deps=[
            keys.provisioned("topic", names.unified_topic(contract.name)),
            keys.provisioned("bucket", names.LAKE_BUCKET),
        ],
        description="The process that writes the unified topic to the lake: rows and offsets in one Delta commit. "
        "Supervised outside of Dagster; materialising means that it runs as declared and is healthy.",
    )
    return _processes(contract, "lake_writer", spec)


def _processes(contract: Contract, system: str, spec: dg.AssetSpec, elsewhere: Desired | None = None) -> dg.Definitions:
    """Our processes as an asset; of those that Kubernetes runs only what else they need, if they need anything."""

    def wanted(at: Installation) -> list[Resource]:
        return [each for each in at.processes if each.system == system and each.hints.get("table") == contract.name]

    whole = spec.replace_attributes(
        group_name=keys.provisioning_group(contract.name),
        owners=[contract.owner] if contract.owner else [],
        kinds={"python"},
        tags={"dropless/table": contract.name, "dropless/kind": "process"},
        # What a process is started with needs the installed software; that it runs this contract does not.
        code_version=contract_digest(contract),
    )
    made = elsewhere if Endpoints.elsewhere() else wanted
    if made is None:
        return dg.Definitions(assets=[whole])
    return provisioned(f"{contract.name}_{system}", [whole], made, pool=_pool(contract), key_of=lambda _: spec.key)


def _union_queries(contract: Contract) -> Desired:
    return lambda at: desired.union_queries(contract, at.endpoints)


def _queries(contract: Contract, installation: Installation) -> dg.Definitions:
    wanted = _union_queries(contract)
    key = keys.union_queries(contract.name)
    spec = dg.AssetSpec(
        key,
        deps=[*_union_needs(contract), keys.lake_writer(contract.name)],
        description="The queries with which ksqlDB unites the sources: they read the raw topics, map by the contract, "
        "and write unified rows and dead letters, exactly once. Materialising means that they run this version of the "
        "mapping; another one takes over at the very records where they stopped.",
        group_name=keys.provisioning_group(contract.name),
        owners=[contract.owner] if contract.owner else [],
        kinds={"kafka"},
        tags={"dropless/table": contract.name, "dropless/kind": "queries"},
        code_version=digest(wanted(installation)),
    )
    return provisioned(f"{contract.name}_union", [spec], wanted, pool=_pool(contract), key_of=lambda _: key)


def _union_needs(contract: Contract) -> Iterator[dg.AssetKey]:
    # Whoever reads its rows must know a new column before it writes one.
    raw = (names.raw_topic(contract.name, source.name) for source in contract.sources)
    for topic in (*raw, names.unified_topic(contract.name), names.dead_topic(contract.name)):
        yield keys.provisioned("topic", topic)
    yield keys.provisioned("subject", names.subject(names.unified_topic(contract.name)))
    yield keys.of_table(contract.name, "pinot_table")


def _spec(contract: Contract, resource: Resource) -> dg.AssetSpec:
    return dg.AssetSpec(
        keys.of(resource),
        deps=[keys.system(resource.system), *_needs(contract, resource)],
        description=DESCRIPTIONS[resource.kind],
        group_name=keys.provisioning_group(contract.name),
        owners=[contract.owner] if contract.owner else None,
        kinds={ICONS[resource.kind]},
        tags={"dropless/table": contract.name, "dropless/kind": resource.kind},
        # Changes with the declaration: the UI shows what is declared but not yet provisioned.
        code_version=digest([resource]),
        metadata={"declared": dg.MetadataValue.json(resource.properties)},
    )


def _needs(contract: Contract, resource: Resource) -> Iterator[dg.AssetKey]:
    match resource.kind:
        case "subject":
            yield keys.provisioned("topic", resource.name.removesuffix("-value"))
        case "connector":
            source = resource.name.removeprefix(f"{contract.name}.")
            yield keys.provisioned("topic", names.raw_topic(contract.name, source))
            yield keys.provisioned("topic", names.heartbeat_topic(contract.name, source))
            yield keys.provisioned("topic", names.signal_topic(contract.name, source))
            kind = "postgresql_source" if contract.source(source).postgresql else "mongodb_source"
            yield keys.provisioned(kind, resource.name)
        case "pinot_table":
            yield keys.of_table(contract.name, "pinot_schema")
            yield keys.provisioned("topic", names.unified_topic(contract.name))
