"""The way of a unified table's rows, as assets that nobody materialises: data that flows by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from dropless import names
from dropless.contract import Contract, Source
from pipeline_assets import keys
from pipeline_assets.presentation import column_schema

# Dagster's own limit for a freshness policy's window.
SHORTEST_WINDOW = 60


def lineage(contract: Contract, united_by: dg.AssetKey) -> list[dg.AssetSpec]:
    """Source tables, raw topics, unified and dead-letter topic, Pinot table, the lake's changes.

    `united_by` is what makes one stream of the raw topics.
    """
    union = _union(contract, united_by)
    specs = [*_sources(contract), *_raw_topics(contract), *union, _pinot(contract), _lake_changes(contract)]
    return [_belonging(contract, spec) for spec in specs]


def _belonging(contract: Contract, spec: dg.AssetSpec) -> dg.AssetSpec:
    owners = [contract.owner] if contract.owner else []
    return spec.replace_attributes(
        group_name=contract.name, owners=owners, tags={**spec.tags, "dropless/table": contract.name}
    )


def _sources(contract: Contract) -> Iterator[dg.AssetSpec]:
    for source in contract.sources:
        read = ", ".join(f"`{column}`" for column in sorted(_columns_read(source)))
        yield dg.AssetSpec(
            keys.source(contract.name, source.name),
            description=f"The {_origin(source)}, one of the sources of `{contract.name}`.\n\n"
            f"Read: {read}. Primary key: {', '.join(f'`{column}`' for column in source.key)}.",
            kinds={"postgresql" if source.postgresql else "mongodb"},
            metadata={"dagster/table_name": _table_name(source)},
        )


def _raw_topics(contract: Contract) -> Iterator[dg.AssetSpec]:
    for source in contract.sources:
        topic = names.raw_topic(contract.name, source.name)
        yield dg.AssetSpec(
            keys.topic(topic),
            deps=[
                keys.source(contract.name, source.name),
                keys.provisioned("connector", names.connector(contract.name, source.name)),
            ],
            description=f"Every change of the {_origin(source)}, as Debezium saw it: the whole envelope, unchanged, "
            "keyed by the source's primary key. It can be replayed; everything downstream can be made again from it.",
            kinds={"kafka", "json"},
        )


def _union(contract: Contract, united_by: dg.AssetKey) -> Iterator[dg.AssetSpec]:
    raw = [keys.topic(names.raw_topic(contract.name, source.name)) for source in contract.sources]
    deps = [*raw, united_by]
    united = ", ".join(f"`{source.name}`" for source in contract.sources)
    yield dg.AssetSpec(
        keys.topic(names.unified_topic(contract.name)),
        deps=deps,
        description=f"{contract.description}\n\nThe union of {united}: one flat JSON row per change, "
        "keyed `<source>:<primary key>`, written exactly once. A delete is a row with `_deleted: true`.",
        kinds={"kafka", "json"},
        metadata={
            "dagster/column_schema": column_schema(contract),
            "dagster/column_lineage": _made_of(contract),
        },
    )
    yield dg.AssetSpec(
        keys.topic(names.dead_topic(contract.name)),
        deps=deps,
        description="The records that the contract could not map, as the very bytes that came, with the reason and "
        "the origin (topic, partition, offset) in their headers. Nothing is dropped; a record here waits for a person.",
        kinds={"kafka"},
    )


def _pinot(contract: Contract) -> dg.AssetSpec:
    return dg.AssetSpec(
        keys.pinot_table(contract.name),
        deps=[keys.topic(names.unified_topic(contract.name)), keys.of_table(contract.name, "pinot_table")],
        description=f"{contract.description}\n\nThe newest state of every row, for SQL, seconds behind the sources. "
        'Deleted rows stay with `"_deleted" = true`: filter them out.',
        kinds={"pinot", "table"},
        freshness_policy=_freshness(contract),
        metadata={
            "dagster/table_name": contract.name,
            "dagster/column_schema": column_schema(contract),
            "dagster/column_lineage": _same_columns(contract, keys.topic(names.unified_topic(contract.name))),
        },
    )


def _lake_changes(contract: Contract) -> dg.AssetSpec:
    changes = names.changes_table(contract.name)
    return dg.AssetSpec(
        keys.lake_changes(contract.name),
        deps=[keys.topic(names.unified_topic(contract.name)), keys.lake_writer(contract.name)],
        description=f"Every change of `{contract.name}`, append-only, as a Delta table with exact decimals and "
        "microseconds. Data and Kafka offsets are one commit, so a change is in it exactly once.",
        kinds={"deltalake", "s3"},
        freshness_policy=_freshness(contract),
        metadata={
            "dagster/table_name": f"{names.LAKE_BUCKET}.{changes}",
            "dagster/uri": f"s3://{names.LAKE_BUCKET}/{changes}",
            "dagster/column_schema": column_schema(contract),
            "dagster/column_lineage": _same_columns(contract, keys.topic(names.unified_topic(contract.name))),
        },
    )


def lake_table(contract: Contract) -> dg.AssetSpec:
    """The current state in the lake; runs make it."""
    spec = dg.AssetSpec(
        keys.lake_table(contract.name),
        deps=[keys.lake_changes(contract.name)],
        description=f"{contract.description}\n\nThe current rows, deleted ones gone, for pandas, Polars and DuckDB: "
        f"`dropless lake pull {contract.name}`. Merged from the changes within {contract.lake.merge_seconds} seconds; "
        "with `--now` the changes that are not merged yet are read as well.",
        kinds={"deltalake", "s3"},
        tags={"dropless/kind": "lake_state"},
        metadata={
            "dagster/table_name": f"{names.LAKE_BUCKET}.{contract.name}",
            "dagster/uri": f"s3://{names.LAKE_BUCKET}/{contract.name}",
            "dagster/column_schema": column_schema(contract),
            "dagster/column_lineage": _same_columns(contract, keys.lake_changes(contract.name)),
        },
    )
    return _belonging(contract, spec)


def _freshness(contract: Contract) -> dg.FreshnessPolicy:
    fail = max(contract.freshness.fail, SHORTEST_WINDOW)
    warn = max(contract.freshness.warn, SHORTEST_WINDOW)
    return dg.FreshnessPolicy.time_window(
        fail_window=timedelta(seconds=fail), warn_window=timedelta(seconds=warn) if warn < fail else None
    )


def _made_of(contract: Contract) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column.name: [
                dg.TableColumnDep(keys.source(contract.name, source.name), path)
                for source in contract.sources
                if column.name in source.columns
                for path in source.columns[column.name].from_ or ()
            ]
            for column in contract.columns
        }
    )


def _same_columns(contract: Contract, upstream: dg.AssetKey) -> dg.TableColumnLineage:
    return dg.TableColumnLineage({each.name: [dg.TableColumnDep(upstream, each.name)] for each in contract.columns})


def _origin(source: Source) -> str:
    if source.postgresql:
        return f"PostgreSQL table `{_table_name(source)}`"
    return f"MongoDB collection `{_table_name(source)}`"


def _table_name(source: Source) -> str:
    if source.postgresql:
        return f"{source.postgresql.database}.{source.postgresql.table}"
    if source.mongodb:
        return f"{source.mongodb.database}.{source.mongodb.collection}"
    raise ValueError(f"Source {source.name!r} has no origin.")


def _columns_read(source: Source) -> set[str]:
    return {path for expression in source.columns.values() for path in expression.from_ or ()}
