"""Everything that is made for a contract, and what it promises."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from typing import Any

import fastjsonschema
import pytest
from contracts import FOUR, SENSORS, contract, endpoints, mongodb, orders, postgresql
from raw import ROWS, change, of
from syrupy.assertion import SnapshotAssertion

from dropless import desired, durability
from dropless.contract import Contract
from dropless.desired.pinot import pinot_tables, stream_of
from dropless.desired.schema_registry import raw_schema, unified_schema
from dropless.errors import DroplessError
from dropless.passwords import NAMES
from dropless.plan import Resource

TABLES = [orders(), contract(FOUR), contract(SENSORS)]


def shown(resources: list[Resource]) -> dict[str, Any]:
    return {each.id: {"properties": each.properties, "hints": each.hints} for each in resources}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_topics(table: Contract, snapshot: SnapshotAssertion) -> None:
    assert shown(desired.topics(table)) == snapshot


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_subjects(table: Contract, snapshot: SnapshotAssertion) -> None:
    assert shown(desired.subjects(table)) == snapshot


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_connectors(table: Contract, snapshot: SnapshotAssertion) -> None:
    assert shown(desired.connectors(table, endpoints())) == snapshot


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_sources(table: Contract, snapshot: SnapshotAssertion) -> None:
    made = desired.postgresql_sources(table, endpoints()) + desired.mongodb_sources(table, endpoints())
    assert shown(made) == snapshot


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_pinot(table: Contract, snapshot: SnapshotAssertion) -> None:
    assert shown(desired.pinot_schemas(table) + desired.pinot_tables(table, endpoints())) == snapshot


def test_storage(snapshot: SnapshotAssertion) -> None:
    assert shown(desired.buckets() + desired.s3_users()) == snapshot


def test_everything_has_a_name_of_its_own_and_comes_after_what_it_needs() -> None:
    made = desired.everything(TABLES, endpoints())
    assert len({each.id for each in made}) == len(made)
    for table in TABLES:
        kinds = [each.kind for each in made if each.name.startswith((table.name, f"unified.{table.name}"))]
        needed = ["topic", "subject", "postgresql_source", "mongodb_source", "connector", "pinot_schema", "pinot_table"]
        assert list(dict.fromkeys(kinds)) == [kind for kind in needed if kind in kinds]


def test_no_contract_makes_only_storage() -> None:
    assert {each.kind for each in desired.everything([], endpoints())} == {"bucket", "s3_user"}


def test_what_is_desired_is_json_and_the_same_every_time() -> None:
    first, second = (json.dumps([each.properties for each in desired.everything(TABLES, endpoints())]) for _ in "ab")
    assert first == second


def test_every_topic_survives_the_loss_of_two_brokers() -> None:
    for table in TABLES:
        for topic in desired.topics(table):
            assert topic.properties["replication_factor"] == 3
            assert durability.topic().items() <= topic.properties["config"].items()


def test_only_the_unified_topic_and_heartbeats_are_compacted() -> None:
    for topic in desired.topics(orders()):
        compacted = topic.name.startswith(("unified.", "heartbeat."))
        config = topic.properties["config"]
        assert config["cleanup.policy"] == ("compact" if compacted else "delete")
        forever = "2592000000" if topic.name.startswith("signals.") else "-1"
        assert compacted or config["retention.ms"] == forever


def test_a_dead_letter_is_never_too_large_for_its_topic() -> None:
    (connector, *_) = desired.connectors(orders(), endpoints())
    largest = int(connector.properties["config"]["producer.override.max.request.size"])
    limits = {int(topic.properties["config"]["max.message.bytes"]) for topic in desired.topics(orders())}
    assert limits == {durability.MAX_MESSAGE_BYTES}
    assert largest + 1_000_000 < durability.MAX_MESSAGE_BYTES


def route(config: dict[str, str], topic: str) -> str:
    """Where Connect's RegexRouters lead a topic: each replaces what its whole expression matches."""
    for name in config["transforms"].split(","):
        match = re.fullmatch(config[f"transforms.{name}.regex"], topic)
        topic = config[f"transforms.{name}.replacement"] if match else topic
    return topic


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_connector_writes_only_to_its_raw_its_heartbeat_and_its_signal_topic(table: Contract) -> None:
    made = {topic.name for topic in desired.topics(table)}
    for connector in desired.connectors(table, endpoints()):
        config, prefix = connector.properties["config"], connector.name
        assert config["topic.prefix"] == prefix
        rows, heartbeats = f"raw.{prefix}", f"heartbeat.{prefix}"
        assert {rows, heartbeats} <= made
        assert route(config, f"{prefix}.public.items") == rows
        assert route(config, f"{prefix}.Ware_house.St_ck___lager_") == rows
        mongodb = "mongodb.user" in config
        assert route(config, f"{prefix}.{'shop.dropless_heartbeat' if mongodb else 'dropless.heartbeat'}") == heartbeats
        assert route(config, f"{config['topic.heartbeat.prefix']}.{prefix}") == heartbeats
        signals = f"signals.{prefix}"
        assert signals in made
        own = prefix.replace(".", "_")
        assert (
            route(config, f"{prefix}.{f'shop.dropless_signal_{own}' if mongodb else f'dropless.signal_{own}'}")
            == signals
        )
        # Debezium captures the table that its configuration names, and acts on what is in it.
        named = f".dropless_signal_{own}" if mongodb else f"dropless.signal_{own}"
        assert config["signal.data.collection"].endswith(named)


def test_a_name_is_captured_as_it_is_and_never_as_an_expression() -> None:
    attributes = copy.deepcopy(FOUR)
    attributes["sources"][1]["postgresql"]["table"] = "a+.b|c"
    attributes["sources"][2]["mongodb"]["collection"] = "x.*,y"
    north, south, east, _ = (
        each.properties["config"] for each in desired.connectors(contract(attributes), endpoints())
    )
    for config, name in ((north, 'Ware.house.Stück, "lager"'), (south, "a+.b|c")):
        expression = re.split(r"(?<!\\),", config["table.include.list"])[0].replace(r"\,", ",")
        assert re.fullmatch(expression, name)
        assert not re.fullmatch(expression, "aa.b")
    assert east["collection.include.list"] == r"east\.x\.\*\,y,east\.dropless_heartbeat"


def test_no_secret_and_no_default_is_left_to_chance_in_a_connector() -> None:
    for table in TABLES:
        for connector in desired.connectors(table, endpoints()):
            config = connector.properties["config"]
            assert durability.connector().items() <= config.items()
            assert all(isinstance(value, str) for value in config.values())
            secrets = [value for name, value in config.items() if name.endswith("password")]
            assert len(secrets) == 1
            match = re.fullmatch(r"\$\{dir:/installation/secrets:(\w+)\}", secrets[0])
            assert match
            assert match[1] in NAMES


def test_a_publication_has_the_table_the_heartbeat_and_the_signals() -> None:
    for source in desired.postgresql_sources(orders(), endpoints()):
        publication = source.properties["publication"]
        signals = f"dropless.signal_{source.name.replace('.', '_')}"
        assert publication["tables"] == [source.properties["table"], "dropless.heartbeat", signals]
        assert source.properties["signals"] == signals
        assert "truncate" in publication["publish"]


class TestAnotherServer:
    POSTGRESQL = "postgresql://reader:pg-secret@db.example.org:6432/ignored?sslmode=require"
    MONGODB = "mongodb://reader:mo%40secret@m1.example.org:27017,m2.example.org/?replicaSet=rs0&authSource=accounts"

    @pytest.fixture
    def table(self, monkeypatch: pytest.MonkeyPatch) -> Contract:
        monkeypatch.setenv("SHOP_URI", self.POSTGRESQL)
        monkeypatch.setenv("MARKET_URI", self.MONGODB)
        columns = {"item": "id", "counted_at": "at"}
        sources = [postgresql("shop", columns, uri_env="SHOP_URI"), mongodb("market", columns, uri_env="MARKET_URI")]
        return contract(FOUR | {"sources": sources})

    def test_its_address_is_in_the_connector_and_its_password_is_not(self, table: Contract) -> None:
        shop, market = (each.properties["config"] for each in desired.connectors(table, endpoints()))
        assert (shop["database.hostname"], shop["database.port"]) == ("db.example.org", "6432")
        assert (shop["database.user"], shop["database.dbname"]) == ("reader", "shop")
        assert shop["database.sslmode"] == "require"
        assert shop["database.password"] == "${dir:/installation/secrets:uri_shop_uri}"
        assert market["mongodb.connection.string"].startswith("mongodb://m1.example.org:27017,m2.example.org/?replica")
        assert (market["mongodb.user"], market["mongodb.authsource"]) == ("reader", "accounts")
        assert market["mongodb.password"] == "${dir:/installation/secrets:uri_market_uri}"
        everything = json.dumps([each.properties for each in desired.everything([table], endpoints())])
        assert "pg-secret" not in everything
        assert "secret@" not in everything

    def test_its_password_is_kept_where_connect_reads_it(self, table: Contract) -> None:
        (shop,) = desired.postgresql_sources(table, endpoints())
        (market,) = desired.mongodb_sources(table, endpoints())
        assert (shop.properties["secret"], shop.hints["uri_env"]) == ("uri_shop_uri", "SHOP_URI")
        assert (market.properties["secret"], market.hints["uri_env"]) == ("uri_market_uri", "MARKET_URI")
        assert "role" not in shop.properties
        assert "user" not in market.properties

    @pytest.mark.parametrize(
        ("variable", "value", "sentence"),
        [
            ("SHOP_URI", "", "SHOP_URI is not set: it must hold the URI of the PostgreSQL server"),
            ("SHOP_URI", "postgresql://u:pg-secret@[h/x", "SHOP_URI does not hold a PostgreSQL URI."),
            ("SHOP_URI", "postgresql:///x", "The URI in SHOP_URI must name one host"),
            ("SHOP_URI", "postgresql://u:pg-secret@h:x/", "The URI in SHOP_URI must name one host"),
            ("MARKET_URI", "", "MARKET_URI is not set: it must hold the URI of the MongoDB server"),
            ("MARKET_URI", "mongodb://u:p@@", "MARKET_URI does not hold a MongoDB URI."),
            (
                "MARKET_URI",
                "mongodb://host/",
                "The URI in MARKET_URI must be mongodb:// or mongodb+srv:// with a user.",
            ),
            ("MARKET_URI", "http://u:p@host/", "The URI in MARKET_URI must be mongodb:// or mongodb+srv:// with a"),
        ],
    )
    def test_a_uri_that_is_none_is_told_without_its_password(
        self, table: Contract, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(DroplessError) as caught:
            desired.connectors(table, endpoints())
        assert str(caught.value).startswith(sentence)
        assert "pg-secret" not in str(caught.value)

    def test_a_srv_uri_is_handed_on(self, table: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MARKET_URI", "mongodb+srv://reader:p%3Aw@cluster.example.org/?tls=true")
        config = desired.connectors(table, endpoints())[1].properties["config"]
        assert config["mongodb.connection.string"] == "mongodb+srv://cluster.example.org/?tls=true"
        assert config["mongodb.user"] == "reader"


@pytest.mark.parametrize("source", ["store", "webshop", "marketplace"])
def test_debeziums_envelope_is_valid_under_the_raw_schema(source: str) -> None:
    valid = fastjsonschema.compile(raw_schema(orders(), orders().source(source)))
    row = of(source, ROWS[source])
    for op, before, after in (("c", None, row), ("u", row, row), ("d", row, None), ("t", None, None)):
        valid(json.loads(change(after, op, before)))
    with pytest.raises(fastjsonschema.JsonSchemaException):
        valid(json.loads(change(5)))


def test_a_new_column_is_an_optional_property_of_a_closed_schema() -> None:
    attributes = copy.deepcopy(FOUR)
    attributes["columns"].append({"name": "shelf", "type": "string"})
    before, after = unified_schema(contract(FOUR)), unified_schema(contract(attributes))
    assert after["required"] == before["required"]
    assert after["additionalProperties"] is before["additionalProperties"] is False
    assert set(after["properties"]) - set(before["properties"]) == {"shelf"}


def test_pinot_has_every_column_and_is_fed_every_moment() -> None:
    for table in TABLES:
        (schema,), (made,) = desired.pinot_schemas(table), desired.pinot_tables(table, endpoints())
        specs = [spec for name, each in schema.properties.items() if name.endswith("FieldSpecs") for spec in each]
        columns = {spec["name"] for spec in specs}
        assert {column.name for column in table.columns} < columns
        fed = {each["columnName"] for each in made.properties["ingestionConfig"]["transformConfigs"]}
        assert fed == {spec["name"] for spec in specs if spec["dataType"] == "TIMESTAMP"}
        assert all(spec["maxLength"] == 2**31 - 1 for spec in specs if spec["dataType"] in {"STRING", "JSON"})
        assert made.properties["upsertConfig"]["comparisonColumn"] == "_position"
        indexing = made.properties["tableIndexConfig"]
        assert indexing["segmentPartitionConfig"]["columnPartitionMap"]["_key"]["numPartitions"] == table.partitions


def test_every_pinot_server_keeps_every_row() -> None:
    (table,) = desired.pinot_tables(orders(), replace(endpoints(), pinot_replicas=3))
    assert table.properties["segmentsConfig"]["replication"] == "3"
    assert table.properties["segmentsConfig"]["replicasPerPartition"] == "3"


def test_a_newer_pinot_is_told_what_it_can() -> None:
    newer = replace(endpoints(), pinot_version="1.5.1", pinot_replicas=3)
    (table,) = pinot_tables(orders(), newer)
    assert table.properties["upsertConfig"] == {
        "mode": "FULL",
        "comparisonColumns": ["_position"],
        "deleteRecordColumn": "_deleted",
        "consistencyMode": "SNAPSHOT",
    }
    ingestion = table.properties["ingestionConfig"]
    assert ingestion["segmentTimeValueCheck"] is False
    assert ingestion["streamIngestionConfig"]["pauselessConsumptionEnabled"] is True
    # It refuses a table that says it twice, and one without pauses whose servers may not ask each other.
    assert "streamConfigs" not in table.properties["tableIndexConfig"]
    assert table.properties["segmentsConfig"]["peerSegmentDownloadScheme"] == "http"
    assert stream_of(table.properties)["isolation.level"] == "read_committed"
    (older,) = pinot_tables(orders(), endpoints())
    assert stream_of(older.properties)["isolation.level"] == "read_committed"
    assert "streamIngestionConfig" not in older.properties["ingestionConfig"]


def test_pinot_reads_only_what_was_committed() -> None:
    (table,) = desired.pinot_tables(orders(), endpoints())
    stream = table.properties["tableIndexConfig"]["streamConfigs"]
    assert stream["stream.kafka.isolation.level"] == "read_committed"
    # Pinot hands the map on as it is, so the consumer knows these only by their own names.
    assert durability.layer("consumer").items() <= stream.items()


def test_a_reader_of_the_lake_can_write_nothing() -> None:
    reader = next(each for each in desired.s3_users() if each.name == "dropless-reader")
    actions = {action for statement in reader.properties["policy"]["Statement"] for action in statement["Action"]}
    assert actions == {"s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject"}


def test_no_user_of_the_object_store_can_touch_anothers_bucket() -> None:
    for user in desired.s3_users():
        statements = user.properties["policy"]["Statement"]
        buckets = {arn.removeprefix("arn:aws:s3:::").split("/")[0] for each in statements for arn in each["Resource"]}
        assert buckets == {"pinot" if user.name == "dropless-pinot" else "lake"}
