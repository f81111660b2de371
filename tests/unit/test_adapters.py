"""The deciding parts of the adapters; what they do to real servers is in tests/stack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dropless.desired.kafka import GROWING
from dropless.errors import DroplessError, Unsafe
from dropless.plan import Action, Change, PropertyChange, Resource
from resources.kafka_connect import failure, not_running, problems, summary, target_state
from resources.minio import canonical
from resources.mongodb import may_read
from resources.pinot_changes import incompatible
from resources.pinot_segments import consuming, partition
from resources.postgresql_catalogue import Publication, Table
from resources.postgresql_statements import statements
from resources.topic_safety import positions, refusal


def topic(**hints):
    return Resource("kafka", "topic", "raw.orders.store", {"partitions": 6}, hints)


RAW = {"role": "raw", "table": "orders", "source": "store", "epoch": 0}
UNIFIED = {"role": "unified", "table": "orders"}


def repartitioned(before, after, made_in=None, **hints):
    properties = (PropertyChange("partitions", before, after),)
    return refusal(Change(Action.UPDATE, topic(**hints), properties), made_in)


def made(made_in, **hints):
    return refusal(Change(Action.CREATE, topic(**hints), (PropertyChange("partitions", None, 6),)), made_in)


class TestTopics:
    def test_a_keyed_topic_keeps_its_partitions(self):
        assert "out of order" in str(repartitioned(3, 6))

    def test_a_topic_without_keys_may_grow(self):
        assert repartitioned(3, 6, keyed=False) is None

    def test_no_topic_shrinks_by_itself(self):
        assert "lose their records" in str(repartitioned(6, 3, keyed=False))

    def test_configuration_may_change(self):
        change = Change(Action.UPDATE, topic(**RAW), (PropertyChange("config/retention.ms", "1", "2"),))
        assert refusal(change, 0) is None

    def test_a_raw_topic_that_was_there_before_is_not_made_again_in_the_same_epoch(self):
        assert made(None, **RAW) is None
        error = made(0, **RAW)
        assert not isinstance(error, Unsafe)
        assert "Write `epoch: 1` into source 'store' of the contract of 'orders'" in str(error)
        assert made(0, **RAW | {"epoch": 1}) is None
        assert "`epoch: 2`" in str(made(1, **RAW | {"epoch": 1}))

    @pytest.mark.parametrize("role", ["unified", "dead"])
    def test_what_the_union_wrote_is_made_again_only_when_allowed(self, role):
        assert made(None, **UNIFIED | {"role": role}) is None
        error = made(0, **UNIFIED | {"role": role})
        assert isinstance(error, Unsafe)
        assert "lake tables 'orders_changes' and 'orders' are dropped" in str(error)

    def test_a_raw_topic_gets_another_number_of_partitions_only_in_a_new_epoch(self):
        assert not isinstance(repartitioned(3, 6, made_in=0, **RAW), Unsafe)
        assert isinstance(repartitioned(3, 6, made_in=0, **RAW | {"epoch": 1}), Unsafe)

    def test_positions_grow_while_new_records_come_after_those_that_rows_were_made_of(self):
        assert positions(0, {0: 5, 1: 0}, {0: 4}) == GROWING
        assert positions(1, {0: 0}, {0: 4}) == GROWING
        assert positions(0, {0: 5, 1: 4}, {0: 4, 1: 4}).startswith("partition 1 goes on at offset 4 of epoch 0, but")
        assert "offset 4 of epoch 2" in positions(1, {0: 99}, {0: (2 << 48) + 4})

    def test_numbered_again_it_needs_the_epoch_after_the_one_that_rows_have(self):
        found = positions(0, {0: 0}, {0: (2 << 48) + 4})
        change = Change(Action.UPDATE, topic(**RAW), (PropertyChange("positions", found, GROWING),))
        assert "`epoch: 3`" in str(refusal(change, None))


ANSWER = {
    "configs": [
        {"definition": {"name": "slot.name"}, "value": {"name": "slot.name", "errors": ["Invalid name."]}},
        {"definition": {"name": "tasks.max"}, "value": {"name": "tasks.max", "errors": []}},
    ]
}


class TestConnectors:
    def test_every_wrong_property_is_named(self):
        config = {"slot.name": "S!", "tasks.max": "1", "slot.nmae": "s"}
        assert problems(config, ANSWER) == ["slot.name: Invalid name", "slot.nmae: no such property"]

    def test_what_debezium_honours_without_listing_it_is_known(self):
        config = {"driver.tcpKeepAlive": "true", "offset.mismatch.strategy": "trust_offset"}
        assert problems(config, {"configs": []}) == []

    def test_a_misspelt_property_of_a_producer_or_transformation_is_unknown(self):
        config = {"producer.override.ack": "all", "transforms.raw.regexp": "x"}
        # Connect lists what it was given, and has no definition for it.
        answer = {"configs": [{"definition": None, "value": {"name": "producer.override.ack", "errors": []}}]}
        assert len(problems(config, answer)) == 2

    @pytest.mark.parametrize(
        ("state", "told"), [("PAUSED", "PAUSED"), ("STOPPED", "STOPPED"), ("FAILED", "RUNNING"), ("RUNNING", "RUNNING")]
    )
    def test_a_connector_that_fails_was_still_told_to_run(self, state, told):
        assert target_state({"connector": {"state": state}}) == told

    def test_a_failed_task_is_told_with_its_cause(self):
        trace = "org.Connect: gone\n\tat X\nCaused by: org.Postgres: refused\n\tat Y\nCaused by: java.Net: no route\n"
        status = {"connector": {"state": "RUNNING"}, "tasks": [{"id": 0, "state": "FAILED", "trace": trace}]}
        assert summary(failure(status)) == "org.Connect: gone (Caused by: java.Net: no route)"

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (None, "no status"),
            ({"connector": {"state": "PAUSED"}}, "is PAUSED"),
            ({"connector": {"state": "RUNNING"}, "tasks": []}, "no task"),
            ({"connector": {"state": "RUNNING"}, "tasks": [{"id": 0, "state": "UNASSIGNED"}]}, "task 0"),
        ],
    )
    def test_only_a_connector_with_running_tasks_runs(self, status, reason):
        assert reason in not_running("orders.store", status)
        running = {"connector": {"state": "RUNNING"}, "tasks": [{"id": 0, "state": "RUNNING"}]}
        assert not_running("orders.store", running) is None


class TestPolicies:
    def test_the_order_of_actions_is_no_difference(self):
        one = {"Statement": [{"Effect": "Allow", "Action": ["s3:B", "s3:A"], "Resource": "arn:x"}]}
        other = {"Statement": [{"Effect": "Allow", "Action": ["s3:A", "s3:B"], "Resource": ["arn:x"]}]}
        assert canonical(one) == canonical(other)

    def test_another_action_is_one(self):
        one = {"Statement": [{"Effect": "Allow", "Action": ["s3:A"], "Resource": ["arn:x"]}]}
        other = {"Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:x"]}]}
        assert canonical(one) != canonical(other)


class TestMongodb:
    def test_a_role_on_another_database_is_not_enough(self):
        assert not may_read([{"role": "read", "db": "other"}], "shop")
        assert may_read([{"role": "readWrite", "db": "shop"}], "shop")
        assert may_read([{"role": "readAnyDatabase", "db": "admin"}], "shop")


SCHEMA = {
    "dimensionFieldSpecs": [{"name": "id", "dataType": "STRING"}],
    "metricFieldSpecs": [{"name": "count", "dataType": "INT"}],
    "primaryKeyColumns": ["id"],
}


class TestPinot:
    def test_a_new_column_is_added_in_place(self):
        added = SCHEMA | {"metricFieldSpecs": [*SCHEMA["metricFieldSpecs"], {"name": "more", "dataType": "INT"}]}
        assert incompatible(added, SCHEMA) == []

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"metricFieldSpecs": []}, "column 'count' would go"),
            ({"metricFieldSpecs": [{"name": "count", "dataType": "LONG"}]}, "metric INT and would be metric LONG"),
            ({"primaryKeyColumns": ["id", "count"]}, "the key is ['id'] and would be ['id', 'count']"),
        ],
    )
    def test_a_column_that_goes_or_changes_and_another_key_are_told(self, changed, reason):
        [told] = incompatible(SCHEMA | changed, SCHEMA)
        assert reason in told

    def test_a_partition_counts_only_while_a_server_consumes_it(self):
        info = {
            "_segmentToConsumingInfoMap": {
                "my__orders__0__3__20261122T1645Z": [{"consumerState": "CONSUMING"}],
                "my__orders__1__7__20261122T1645Z": [{"consumerState": "NOT_CONSUMING"}],
            }
        }
        assert consuming(info) == {0}

    def test_a_table_may_have_underscores(self):
        assert partition("my__orders__12__3__20261122T1645Z") == 12


class TestPostgresql:
    SOURCE = Resource(
        "postgresql",
        "postgresql_source",
        "orders.store",
        {
            "database": "store",
            "table": 'public."or""ders"',
            "publication": {"name": "p", "tables": ['public."or""ders"', "dropless.heartbeat"], "publish": "insert"},
            "role": "reader",
            "heartbeat": True,
        },
    )

    def text(self, changed, publication=None):
        return [each.as_string() for each in statements(self.SOURCE, changed, publication)]

    def test_names_are_quoted(self):
        made = self.text({"replica_identity"})
        assert made[0] == 'alter table "public"."or""ders" replica identity full'
        assert 'create publication "p" for table "public"."or""ders", "dropless"."heartbeat"' in " ".join(made)

    def test_the_table_is_locked_only_for_its_own_change(self):
        assert not any(each.startswith("alter table") for each in self.text({"publication"}))

    def test_signals_have_a_table_of_their_own_and_the_role_may_only_add_and_remove(self):
        source = replace(self.SOURCE, properties=self.SOURCE.properties | {"signals": "dropless.signal_orders_store"})
        made = [each.as_string() for each in statements(source, set(), None)]
        table = '"dropless"."signal_orders_store"'
        assert f"create table if not exists {table} (id text primary key, type text not null, data text)" in made
        assert f'grant select, insert, delete on {table} to "reader"' in made
        assert any('function "dropless"."settled" ()' in each for each in made)
        assert not any("signal" in each or "settled" in each for each in self.text(set()))

    def test_an_existing_publication_is_altered(self):
        found = Publication(frozenset({Table("public", "x")}), frozenset(), frozenset({"insert"}), all_tables=False)
        assert not any(each.startswith("create publication") for each in self.text({"publication"}, found))

    def test_a_publication_for_all_tables_is_left_alone(self):
        with pytest.raises(DroplessError, match="for all tables"):
            statements(self.SOURCE, set(), Publication(frozenset(), frozenset(), frozenset(), all_tables=True))

    def test_a_name_with_a_dot_in_it_is_written_in_quotes(self):
        table = Table.parse('"Ware.house"."Stück, ""lager"""')
        assert table == Table("Ware.house", 'Stück, "lager"')
        assert Table.parse(str(table)) == table
