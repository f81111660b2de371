"""The Pinot schema and real-time table of a unified table, for 0.11 and for 1.4 and later.

No server of 1.x has seen a table of ours: what it says is from the public documentation and its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dropless import durability, names
from dropless.contract import Column, Contract, Kind
from dropless.endpoints import Endpoints
from dropless.plan import Resource

FLUSH_ROWS: Final = 100_000
"""Rows in a consuming segment; a restarted server reads them again."""
FLUSH_TIME: Final = "6h"
UNLIMITED: Final = 2**31 - 1
"""The longest text; Pinot cuts at 512 characters by default."""

_DATA_TYPES: Final = {
    Kind.STRING: "STRING",
    Kind.INT: "INT",
    Kind.LONG: "LONG",
    Kind.DOUBLE: "DOUBLE",
    Kind.DECIMAL: "BIG_DECIMAL",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.DATE: "STRING",
    Kind.JSON: "JSON",
}
# A null is stored as the field's default; a metric's is 0, so that sums are right.
_METRICS: Final = {Kind.INT, Kind.LONG, Kind.DOUBLE, Kind.DECIMAL}
_SYSTEM_DIMENSIONS: Final = {
    "_key": "STRING",
    "_source": "STRING",
    "_op": "STRING",
    "_deleted": "BOOLEAN",
    "_topic": "STRING",
    "_partition": "INT",
    "_offset": "LONG",
    "_position": "LONG",
}


def pinot_schemas(contract: Contract) -> list[Resource]:
    """The schema: what analysts see as the table's columns."""
    dimensions = [_field(name, data_type) for name, data_type in _SYSTEM_DIMENSIONS.items()]
    metrics = []
    times = []
    for column in contract.columns:
        field = _field(column.name, _DATA_TYPES[column.type.kind])
        if column.type.kind is Kind.TIMESTAMP:
            times.append(field | _MOMENT)
        elif column.type.kind in _METRICS:
            metrics.append(field)
        else:
            dimensions.append(field)
    times.append(_field("_committed_at", "TIMESTAMP") | _MOMENT)
    schema: dict[str, Any] = {"schemaName": contract.name, "dimensionFieldSpecs": dimensions}
    if metrics:
        schema["metricFieldSpecs"] = metrics
    schema |= {"dateTimeFieldSpecs": times, "primaryKeyColumns": ["_key"]}
    return [Resource("pinot", "pinot_schema", contract.name, schema)]


def pinot_tables(contract: Contract, endpoints: Endpoints) -> list[Resource]:
    """The table: the newest version of every key, by `_position`, from the unified topic."""
    texts = [column.name for column in contract.columns if column.type.kind is Kind.STRING]
    documents = [column.name for column in contract.columns if column.type.kind is Kind.JSON]
    money = [column.name for column in contract.columns if column.type.kind is Kind.DECIMAL]
    indexing: dict[str, Any] = {
        "loadMode": "MMAP",
        "nullHandlingEnabled": True,
        # The others would pad every text to the longest one.
        "varLengthDictionaryColumns": ["_key", *texts],
        # Decimals too: in 0.11 a comparison such as `amount > 100` fails on a consuming segment's dictionary.
        "noDictionaryColumns": ["_offset", "_position", *documents, *money],
        "invertedIndexColumns": ["_source", "_deleted", *_enumerations(contract)],
        # The topic is partitioned by the same hash, so that a query for a key reads one partition.
        "segmentPartitionConfig": {
            "columnPartitionMap": {"_key": {"functionName": "Murmur", "numPartitions": contract.partitions}}
        },
    }
    ingestion: dict[str, Any] = {"transformConfigs": _transforms(contract)}
    segments: dict[str, Any] = {
        "schemaName": contract.name,
        "timeColumnName": contract.time_column,
        "replication": str(endpoints.pinot_replicas),
        "replicasPerPartition": str(endpoints.pinot_replicas),
    }
    upsert: dict[str, Any] = {"mode": "FULL"}
    stream = _stream(contract, endpoints)
    if endpoints.pinot_version.startswith("0."):
        indexing["streamConfigs"] = stream
        upsert["comparisonColumn"] = "_position"
    else:
        # A key that is deleted is gone from every answer, and an answer sees one state of all partitions.
        upsert |= {"comparisonColumns": ["_position"], "deleteRecordColumn": "_deleted", "consistencyMode": "SNAPSHOT"}
        # Rows go on coming while a segment is built; until it is stored, other servers fetch it from who has it.
        segments["peerSegmentDownloadScheme"] = "http"
        ingestion["streamIngestionConfig"] = {"streamConfigMaps": [stream], "pauselessConsumptionEnabled": True}
        # A time outside 1971 to 2071 would stop the consumption of its partition for ever.
        ingestion["segmentTimeValueCheck"] = False
    table = {
        "tableName": contract.name,
        "tableType": "REALTIME",
        "segmentsConfig": segments,
        "tenants": {"broker": "DefaultTenant", "server": "DefaultTenant"},
        "tableIndexConfig": indexing,
        "routing": {"instanceSelectorType": "strictReplicaGroup", "segmentPrunerTypes": ["partition"]},
        "upsertConfig": upsert,
        "ingestionConfig": ingestion,
        "metadata": {},
    }
    return [Resource("pinot", "pinot_table", contract.name, table)]


_MOMENT: Final = {"format": "TIMESTAMP", "granularity": "1:MILLISECONDS"}


def _field(name: str, data_type: str) -> dict[str, Any]:
    field: dict[str, Any] = {"name": name, "dataType": data_type}
    return field | {"maxLength": UNLIMITED} if data_type in {"STRING", "JSON"} else field


def _enumerations(contract: Contract) -> list[str]:
    return [column.name for column in contract.columns if column.allowed is not None]


def _transforms(contract: Contract) -> list[dict[str, str]]:
    moments = [("_committed_at", "_committed_at_us")]
    moments += [(each.name, each.field) for each in contract.columns if _is_moment(each)]
    # Pinot cannot transform a field onto its own name. This function is a division by 1000 of 64-bit integers;
    # "/" is one of doubles, and wrong by a millisecond before 1970 and from 2112 on.
    return [{"columnName": name, "transformFunction": f"toEpochSeconds({field})"} for name, field in moments]


def _is_moment(column: Column) -> bool:
    return column.type.kind is Kind.TIMESTAMP


def stream_of(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a table's configuration says that it consumes: 0.11 has that in another place than 1.x."""
    newer = table.get("ingestionConfig", {}).get("streamIngestionConfig")
    found: Mapping[str, Any] = newer["streamConfigMaps"][0] if newer else table["tableIndexConfig"]["streamConfigs"]
    return found


def _stream(contract: Contract, endpoints: Endpoints) -> dict[str, str]:
    plugin = "kafka20" if endpoints.pinot_version.startswith("0.") else "kafka30"
    return durability.pinot_stream(endpoints) | {
        "streamType": "kafka",
        "stream.kafka.topic.name": names.unified_topic(contract.name),
        "stream.kafka.consumer.type": "lowlevel",
        "stream.kafka.consumer.factory.class.name": f"org.apache.pinot.plugin.stream.{plugin}.KafkaConsumerFactory",
        "stream.kafka.decoder.class.name": "org.apache.pinot.plugin.stream.kafka.KafkaJSONMessageDecoder",
        "stream.kafka.consumer.prop.auto.offset.reset": "smallest",
        "realtime.segment.flush.threshold.rows": str(FLUSH_ROWS),
        "realtime.segment.flush.threshold.time": FLUSH_TIME,
    }
