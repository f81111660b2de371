"""The deciding parts of the adapters; what they do to real servers is in tests/stack."""

from __future__ import annotations

import pytest

from dropless.errors import DroplessError
from dropless.plan import PropertyChange, Resource
from resources.kafka import refusal
from resources.kafka_connect import failure, not_running, problems, summary
from resources.minio import canonical
from resources.mongodb import may_read
from resources.pinot import consuming, partition
from resources.postgresql_catalogue import Publication, Table
from resources.postgresql_statements import statements


def topic(**hints):
    return Resource("kafka", "topic", "raw.orders.store", {}, hints)


class TestTopics:
    def test_a_keyed_topic_keeps_its_partitions(self):
        assert "out of order" in refusal(topic(), PropertyChange("partitions", 3, 6))

    def test_a_topic_without_keys_may_grow(self):
        assert refusal(topic(keyed=False), PropertyChange("partitions", 3, 6)) is None

    def test_no_topic_may_shrink(self):
        assert "lose their records" in refusal(topic(keyed=False), PropertyChange("partitions", 6, 3))

    def test_configuration_may_change(self):
        assert refusal(topic(), PropertyChange("config/retention.ms", "1", "2")) is None


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

    def test_what_is_passed_on_or_unlisted_is_known(self):
        config = {"producer.override.acks": "all", "offset.mismatch.strategy": "trust_offset"}
        assert problems(config, {"configs": []}) == []

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


class TestPinot:
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
