"""What provisioning promises, on the real servers; everything made here is named `probe`."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import httpx
import psycopg
import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from differing import differences, drift
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin
from program import DROPLESS
from psycopg import sql
from pymongo.errors import OperationFailure

from dropless import databases, durability, names, passwords
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable, Unsafe
from dropless.plan import Action, Resource
from local_stack.systems import stop_waves
from resources.adapters import adapters
from resources.bring_up import start_all
from resources.platform import LocalPlatform
from resources.provisioning import check, preview, provision
from resources.waiting import until


def running(platform: LocalPlatform, names: Sequence[str]) -> str | None:
    left = [each.name for each in platform.status() if each.pid and each.name in names]
    return f"{', '.join(left)} run" if left else None


class TestTheWhole:
    def test_a_provisioned_system_has_nothing_to_do(self, known, everything):
        assert preview(list(everything.values()), known).as_json() == []

    def test_provisioning_again_changes_nothing(self, known, everything):
        assert provision(list(everything.values()), known).empty

    def test_the_command_says_so_with_its_exit_code(self, settings):
        done = subprocess.run([*DROPLESS, "plan", "--json"], capture_output=True, text=True, check=False)
        assert (done.returncode, json.loads(done.stdout)) == (0, [])

    def test_nothing_differs_after_every_server_was_restarted(self, settings, known, everything):
        platform = LocalPlatform(settings)
        servers = [each for each in platform.desired() if each.system != "dagster"]
        before = {each.name: each.pid for each in platform.status()}
        for wave in stop_waves(each.name for each in servers):
            for name in wave:
                platform.supervisor.stop(name, wait=False)
            until("The servers", lambda names=wave: running(platform, names), 60)
        stopped = preview(servers, {"process": platform})
        assert len(stopped.changes) == len(servers)
        start_all(settings, platform, lambda *_: None)
        processes = {**known, "process": platform}
        provision([each for each in servers if each.hints.get("table")], processes)
        assert all(each.pid != before[each.name] for each in platform.status() if each.system != "dagster")
        until("Kafka Connect", lambda: None if preview(list(everything.values()), known).empty else "it settles", 60)
        assert preview([*servers, *everything.values()], processes).as_json() == []

    def test_a_system_that_is_away_is_named(self, endpoints):
        away = replace(
            endpoints,
            kafka="127.0.0.1:1",
            kafka_connect=("http://127.0.0.1:1",),
            schema_registry="http://127.0.0.1:1",
            pinot_controller="http://127.0.0.1:1",
            s3="http://127.0.0.1:1",
            postgresql_port=1,
            mongodb="127.0.0.1:1",
        )
        for kind, adapter in adapters(away).items():
            properties = {
                "database": "probe",
                "table": "public.probe",
                "collection": "probe",
                "publication": {"name": "p", "tables": [], "publish": ""},
            }
            with pytest.raises(Unreachable, match=r"answer|let us in"):
                adapter.observe([Resource("probe", kind, "probe", properties)])


class TestTopics:
    @pytest.fixture
    def probe(self, kafka: AdminClient) -> Iterator[Resource]:
        config = durability.topic() | {"retention.ms": "1000000"}
        properties = {"partitions": 2, "replication_factor": 3, "config": config}
        # A deleted topic is still known to some brokers for a moment: never the same name twice.
        name = f"probe.{uuid.uuid4().hex[:8]}"
        yield Resource("kafka", "topic", name, properties, {"keyed": False})
        for future in kafka.delete_topics([name], operation_timeout=10).values():
            future.result()

    def test_a_topic_is_made_as_declared_and_is_there_once(self, known, probe):
        assert [change.action for change in provision([probe], known).changes] == [Action.CREATE]
        assert provision([probe], known).empty

    def test_drift_is_shown_and_repaired_and_what_is_unmanaged_stays(self, known, probe, kafka):
        provision([probe], known)
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in (("retention.ms", "5"), ("segment.bytes", "1048576"))
        ]
        target = ConfigResource(ResourceType.TOPIC, probe.name, incremental_configs=entries)
        kafka.incremental_alter_configs([target])[target].result()
        assert drift(known, probe) == [("config/retention.ms", "5", "1000000")]
        provision([probe], known)
        with_unmanaged = replace(probe, properties={"config": {"segment.bytes": "1048576"}})
        assert differences(known, with_unmanaged) == []

    def test_partitions_grow_only_without_keys_and_never_shrink(self, known, probe):
        provision([probe], known)
        grown = replace(probe, properties=dict(probe.properties) | {"partitions": 3})
        with pytest.raises(Unsafe, match="out of order"):
            provision([replace(grown, hints={"keyed": True})], known)
        provision([grown], known)
        with pytest.raises(Unsafe, match="lose their records"):
            provision([probe], known)


class TestSubjects:
    def test_an_incompatible_schema_is_refused_with_the_reason(self, known, everything):
        subject = everything["subject:unified.orders-value"]
        schema = json.loads(json.dumps(subject.properties["schema"]))
        schema["properties"]["item_count"]["type"] = "string"
        changed = replace(subject, properties=dict(subject.properties) | {"schema": schema})
        with pytest.raises(DroplessError, match=r"unified\.orders-value.*not BACKWARD compatible: .*item_count"):
            provision([changed], known)
        assert preview([subject], known).empty

    def test_a_new_nullable_column_is_compatible(self, known, everything):
        subject = everything["subject:unified.orders-value"]
        schema = json.loads(json.dumps(subject.properties["schema"]))
        schema["properties"]["note"] = {"type": ["string", "null"]}
        changed = replace(subject, properties=dict(subject.properties) | {"schema": schema})
        check(preview([changed], known), known)


class TestConnectors:
    def test_a_property_that_no_one_knows_is_found_before_anything_is_changed(self, known, everything):
        connector = everything["connector:orders.store"]
        config = dict(connector.properties["config"])
        config |= {"slot.nmae": "x", "max.batch.size": "many", "producer.override.ack": "all", "transforms.raw.x": "1"}
        wrong = replace(connector, properties={"config": config})
        unknown = (
            r"max\.batch\.size: .*; slot\.nmae: no such.*; producer\.override\.ack: .*; transforms\.raw\.x: no such"
        )
        with pytest.raises(DroplessError, match=unknown):
            provision([wrong], known)
        assert preview([connector], known).empty

    def test_drift_is_repaired_and_the_connector_runs_on(self, known, everything, endpoints):
        connector = everything["connector:orders.store"]
        drifted = dict(connector.properties["config"]) | {"producer.override.acks": "1"}
        url = f"{endpoints.kafka_connect[0]}/connectors/orders.store/config"
        httpx.put(url, json=drifted, timeout=60).raise_for_status()
        assert drift(known, connector) == [("config/producer.override.acks", "1", "all")]
        provision([connector], known)

    def test_no_password_is_in_a_plan_or_in_connects_answers(self, settings, endpoints, everything):
        passwords = [path.read_text() for path in settings.secrets.iterdir()]
        answer = httpx.get(f"{endpoints.kafka_connect[0]}/connectors?expand=info&expand=status").text
        told = answer + json.dumps([dict(each.properties) for each in everything.values()])
        assert not [password for password in passwords if password in told]


class TestPostgresqlSources:
    @pytest.fixture
    def source(self, endpoints: Endpoints) -> Iterator[Resource]:
        """A table of our own in the store's database, captured by nobody."""
        with databases.postgresql(endpoints, "store", "admin") as connection:
            connection.execute("create table probe (a integer, b integer, primary key (a, b))")
        publication = {"name": "probe", "tables": ["public.probe"], "publish": "insert,update,delete,truncate"}
        properties = {
            "database": "store",
            "table": "public.probe",
            "replica_identity": "full",
            "publication": publication,
            "role": "dropless_replication",
        }
        yield Resource("postgresql", "postgresql_source", "probe.store", properties, {"key": ["a", "b"]})
        with databases.postgresql(endpoints, "store", "admin") as connection:
            connection.execute("drop publication if exists probe")
            connection.execute("drop table probe")

    def test_a_table_is_made_ready(self, known, source):
        provision([source], known)
        assert provision([source], known).empty

    @pytest.mark.parametrize(
        ("statement", "path"),
        [
            ("alter table probe replica identity default", "replica_identity"),
            ("alter publication probe set (publish = 'insert')", "publication/publish"),
            ("alter publication probe set table public.probe where (a > 1)", "publication/tables"),
            ("drop publication probe", "publication/name"),
            ("revoke select on probe from dropless_replication", "role"),
        ],
    )
    def test_what_was_altered_by_hand_is_shown_and_repaired(self, known, source, endpoints, statement, path):
        provision([source], known)
        with databases.postgresql(endpoints, "store", "admin") as connection:
            connection.execute(statement)
        assert path in [each[0] for each in differences(known, source)]
        provision([source], known)

    @pytest.mark.parametrize(
        ("changed", "sentence"),
        [
            ({"database": "nowhere"}, "There is no PostgreSQL database 'nowhere'"),
            ({"table": "public.nothing"}, r"There is no table public\.nothing in PostgreSQL database 'store'"),
            ({"role": "nobody_here"}, "no role 'nobody_here'"),
        ],
    )
    def test_what_is_missing_is_one_sentence(self, known, source, changed, sentence):
        with pytest.raises(DroplessError, match=sentence):
            preview([replace(source, properties=dict(source.properties) | changed)], known)

    def test_another_or_no_primary_key_is_one_sentence(self, known, source, endpoints):
        with pytest.raises(DroplessError, match=r"primary key \(a, b\), but the contract says \(a\)"):
            preview([replace(source, hints={"key": ["a"]})], known)
        with databases.postgresql(endpoints, "store", "admin") as connection:
            connection.execute("alter table probe drop constraint probe_pkey")
        with pytest.raises(DroplessError, match=r"has no primary key.*alter table public\.probe add primary key"):
            preview([source], known)

    def test_a_publication_is_not_made_anew_under_a_slot_that_needs_the_old_one(self, known, source, endpoints):
        provision([source], known)
        with databases.postgresql(endpoints, "store", "admin") as connection:
            connection.execute("select pg_create_logical_replication_slot('probe_slot', 'pgoutput')")
            connection.execute("drop publication probe")
        try:
            with_slot = replace(source, properties=dict(source.properties) | {"slot": "probe_slot"})
            with pytest.raises(DroplessError, match=r"Publication 'probe' is gone while replication slot 'probe_slot'"):
                provision([with_slot], known)
        finally:
            with databases.postgresql(endpoints, "store", "admin") as connection:
                connection.execute("select pg_drop_replication_slot('probe_slot')")

    def test_a_server_of_a_uri_is_prepared_and_its_password_kept_for_connect(
        self, known, source, endpoints, settings, monkeypatch
    ):
        password = (settings.secrets / "postgresql_admin").read_text()
        server = f"{endpoints.postgresql_host}:{endpoints.postgresql_port}"
        monkeypatch.setenv("PROBE_URI", f"postgresql://dropless_admin:{password}@{server}/")
        properties = {name: value for name, value in source.properties.items() if name != "role"}
        elsewhere = replace(
            source, properties=properties | {"secret": "uri_probe"}, hints={"key": ["a", "b"], "uri_env": "PROBE_URI"}
        )
        kept = settings.secrets / "uri_probe"
        try:
            provision([elsewhere], known)
            assert kept.read_text() == password
            assert kept.stat().st_mode & 0o077 == 0
        finally:
            kept.unlink(missing_ok=True)

    def test_an_empty_or_broken_uri_is_one_sentence_without_it(self, known, source, monkeypatch):
        elsewhere = replace(source, hints={"uri_env": "PROBE_URI"})
        with pytest.raises(DroplessError, match="PROBE_URI is not set"):
            preview([elsewhere], known)
        monkeypatch.setenv("PROBE_URI", "postgresql://u:hush@[broken")
        with pytest.raises(DroplessError, match="does not hold a PostgreSQL URI") as raised:
            preview([elsewhere], known)
        assert "hush" not in str(raised.value)

    def test_the_capturing_role_can_do_no_more_than_it_must(self, endpoints):
        with databases.postgresql(endpoints, "store", "replication") as connection:
            assert connection.execute("select count(*) from public.orders").fetchone()
        for statement in (
            *("delete from public.orders", "create table public.mine ()", "delete from dropless.heartbeat"),
            *("update dropless.signal_orders_store set data = ''", "create table dropless.mine ()"),
        ):
            with (
                databases.postgresql(endpoints, "store", "replication") as connection,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                connection.execute(sql.SQL(statement))


class TestMongodbSources:
    @pytest.fixture
    def source(self, endpoints: Endpoints) -> Iterator[Resource]:
        with databases.mongodb(endpoints, "admin") as client:
            client["marketplace"].create_collection("probe")
            properties = {
                "database": "marketplace",
                "collection": "probe",
                "pre_images": True,
                "signals": "probe_signals",
                "user": "dropless_replication",
            }
            yield Resource("mongodb", "mongodb_source", "probe.marketplace", properties)
            client["marketplace"].drop_collection("probe")
            client["marketplace"].drop_collection("probe_signals")
            # There is none where nothing was applied.
            with suppress(OperationFailure):
                client.admin.command("revokeRolesFromUser", "dropless_replication", roles=["probe_signals"])
                client.admin.command("dropRole", "probe_signals")

    def test_a_collection_is_made_ready(self, known, source):
        found = differences(known, source)
        assert ("pre_images", False, True) in found
        assert ("signals", None, "probe_signals") in found
        provision([source], known)
        assert provision([source], known).empty

    def test_the_connector_may_write_to_its_signals_alone(self, known, source, endpoints):
        provision([source], known)
        with databases.mongodb(endpoints, "admin") as client:
            [role] = client.admin.command("rolesInfo", "probe_signals", showPrivileges=True)["roles"]
            assert [(each["resource"], each["actions"]) for each in role["privileges"]] == [
                ({"db": "marketplace", "collection": "probe_signals"}, ["find", "insert", "remove"])
            ]
            client.admin.command("updateRole", "probe_signals", privileges=[])
        lacking = "dropless_replication without insert on marketplace.probe_signals"
        assert ("user", lacking, "dropless_replication") in differences(known, source)
        provision([source], known)
        assert provision([source], known).empty

    def test_a_missing_collection_is_one_sentence(self, known, source):
        missing = replace(source, properties=dict(source.properties) | {"collection": "nothing"})
        with pytest.raises(DroplessError, match="There is no collection 'nothing' in MongoDB database 'marketplace'"):
            preview([missing], known)


class TestObjectStorage:
    def test_a_widened_policy_is_shown_and_narrowed(self, known, everything):
        user = everything["s3_user:dropless-reader"]
        policy = json.loads(json.dumps(user.properties["policy"]))
        policy["Statement"][1]["Action"].append("s3:DeleteObject")
        wider = replace(user, properties=dict(user.properties) | {"policy": policy})
        provision([wider], known)
        assert [path for path, _, _ in drift(known, user)] == ["policy/Statement"]
        provision([user], known)

    def test_a_user_with_another_password_is_given_the_one_of_its_file(self, known, everything, endpoints):
        user = everything["s3_user:dropless-reader"]
        root = StaticProvider("dropless-root", passwords.read(endpoints.secrets, "minio_root"))
        host = endpoints.s3.removeprefix("http://")
        MinioAdmin(endpoint=host, credentials=root, secure=False).user_add(user.name, "not the one of the file")
        assert drift(known, user) == [("access_key", None, user.name)]
        provision([user], known)

    def test_the_buckets_are_there_and_others_are_nobodys_business(self, known, everything):
        assert {f"bucket:{names.LAKE_BUCKET}", f"bucket:{names.PINOT_BUCKET}"} <= everything.keys()
        bucket = everything[f"bucket:{names.LAKE_BUCKET}"]
        assert provision([bucket], known).empty


class TestPinot:
    def test_a_changed_table_is_shown_and_repaired(self, known, everything, endpoints):
        table = everything["pinot_table:orders"]
        url = f"{endpoints.pinot_controller}/tables/orders"
        config = httpx.get(url, params={"type": "realtime"}).json()["REALTIME"]
        streams = (
            config["tableIndexConfig"].get("streamConfigs")
            or (config["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"][0])
        )
        streams["realtime.segment.flush.threshold.rows"] = "77777"
        httpx.put(url, json=config).raise_for_status()
        found = drift(known, table)
        assert len(found) == 1
        assert "77777" in str(found[0])
        segments = f"{url}/consumingSegmentsInfo"
        before = httpx.get(segments).json()["_segmentToConsumingInfoMap"]
        provision([table], known)
        # A segment keeps the settings with which it was begun.
        assert not before.keys() & httpx.get(segments).json()["_segmentToConsumingInfoMap"].keys()

    def test_what_pinot_would_silently_drop_is_refused(self, known, everything):
        table = everything["pinot_table:orders"]
        upsert = dict(table.properties["upsertConfig"]) | {"deleteRecordColumn": "_deleted"}
        wrong = replace(table, properties=dict(table.properties) | {"upsertConfig": upsert})
        with pytest.raises(DroplessError, match="does not know /upsertConfig/deleteRecordColumn"):
            provision([wrong], known)
