"""A second table is a folder with a declaration: here one with a single source, and one with four, of odd names."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from bson import Int64, ObjectId
from confluent_kafka.admin import AdminClient
from psycopg import errors, sql

from dropless import databases, desired, durability, names, passwords, pinot
from dropless.contract import Contract, parse_contract
from dropless.desired.servers import secret_of
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.settings import Settings
from resources.adapters import adapters
from resources.provisioning import preview, provision
from resources.waiting import until

FOUR = """
type: pipeline_assets.components.UnifiedTable
attributes:
  name: {name}
  columns:
    - {{name: item, type: string, nullable: false}}
    - {{name: site, type: string, allowed: [north, south, east, west]}}
    - {{name: pieces, type: long}}
    - {{name: counted_at, type: timestamp, nullable: false}}
  time_column: counted_at
  partitions: 2
  sources:
    - name: north
      postgresql: {{database: "{name} north", table: '"Ware.house"."Stück, ""la""ger"', key: [id, shelf]}}
      columns: {{item: id, site: {{constant: north}}, pieces: n, counted_at: at}}
    - name: south
      postgresql: {{database: "{name} south", table: public.items, key: [id]}}
      columns: {{item: id, site: {{constant: south}}, pieces: {{from: n, default: 0}}, counted_at: at}}
    - name: east
      mongodb: {{database: {name}_east, collection: items}}
      columns: {{item: _id, site: {{constant: east}}, pieces: count.total, counted_at: countedAt}}
    - name: west
      mongodb: {{database: {name}_west, collection: "it.ems-2"}}
      columns: {{item: _id, site: {{from: place, values: {{1: west}}}}, counted_at: at}}
"""
ONE = """
type: pipeline_assets.components.UnifiedTable
attributes:
  name: {name}
  columns:
    - {{name: value, type: double}}
    - {{name: taken_at, type: timestamp, nullable: false}}
  time_column: taken_at
  partitions: 1
  sources:
    - name: south
      postgresql: {{database: "{name} south", table: public.items, key: [id]}}
      columns: {{value: n, taken_at: at}}
"""
URI = "PROBE_URI"
ELSEWHERE = ONE.replace("key: [id]", f"key: [id], uri_env: {URI}")
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Sources:
    """The databases of a table, each with the same three rows."""

    def __init__(self, contract: Contract, endpoints: Endpoints) -> None:
        self.contract, self.endpoints = contract, endpoints

    def make(self) -> None:
        for source in self.contract.sources:
            if table := source.postgresql:
                with databases.postgresql(self.endpoints, "postgres", "admin", autocommit=True) as connection:
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(table.database)))
                with databases.postgresql(self.endpoints, table.database, "admin") as connection:
                    name = sql.Identifier(table.schema_name, table.table_name)
                    schema = sql.Identifier(table.schema_name)
                    connection.execute(sql.SQL("create schema if not exists {}").format(schema))
                    key = sql.SQL(", ").join(map(sql.Identifier, table.key))
                    statement = "create table {} (id integer, shelf text, n bigint, at timestamptz, primary key ({}))"
                    connection.execute(sql.SQL(statement).format(name, key))
            self.insert(source.name, 1, 3)

    def insert(self, name: str, first: int, last: int) -> None:
        source = self.contract.source(name)
        if table := source.postgresql:
            statement = sql.SQL("insert into {} values (%s, 'a, \\b', %s, %s)").format(
                sql.Identifier(table.schema_name, table.table_name)
            )
            with databases.postgresql(self.endpoints, table.database, "admin") as connection:
                for number in range(first, last + 1):
                    connection.execute(statement, [number, number, AT])
        if source.mongodb:
            with databases.mongodb(self.endpoints, "admin") as client:
                client[source.mongodb.database][source.mongodb.collection].insert_many(
                    {"_id": _id(number), "count": {"total": Int64(number)}, "place": 1, "countedAt": AT, "at": AT}
                    for number in range(first, last + 1)
                )

    def delete(self, name: str, number: int) -> None:
        source = self.contract.source(name)
        if table := source.postgresql:
            with databases.postgresql(self.endpoints, table.database, "admin") as connection:
                target = sql.Identifier(table.schema_name, table.table_name)
                connection.execute(sql.SQL("delete from {} where id = %s").format(target), [number])
        if source.mongodb:
            with databases.mongodb(self.endpoints, "admin") as client:
                client[source.mongodb.database][source.mongodb.collection].delete_one({"_id": _id(number)})

    def drop(self) -> None:
        for source in self.contract.sources:
            if table := source.postgresql:
                with databases.postgresql(self.endpoints, "postgres", "admin", autocommit=True) as connection:
                    slot = names.slot(self.contract.name, source.name)

                    def drop_slot(slot: str = slot, database: str = table.database) -> str | None:
                        # A slot can be dropped only from its own database.
                        with (
                            closing(databases.postgresql(self.endpoints, database, "admin")) as inside,
                            suppress(errors.UndefinedObject),
                        ):
                            try:
                                inside.execute("select pg_drop_replication_slot(%s)", [slot])
                                inside.commit()
                            except errors.ObjectInUse:
                                return "it is in use"
                        return None

                    until("The slot", drop_slot, 30)
                    name = sql.Identifier(table.database)
                    connection.execute(sql.SQL("drop database {} with (force)").format(name))
            if source.mongodb:
                with databases.mongodb(self.endpoints, "admin") as client:
                    client.drop_database(source.mongodb.database)


def _id(number: int) -> ObjectId:
    return ObjectId(f"{number:024x}")


@pytest.fixture(params=[ONE, ELSEWHERE, FOUR], ids=["one source", "another server", "four sources"])
def contract(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    settings: Settings,
    endpoints: Endpoints,
    monkeypatch: pytest.MonkeyPatch,
) -> Contract:
    # The server of the URI is the platform's own: its address, user and password come from the variable all the same.
    password = passwords.read(settings.secrets, "postgresql_admin")
    server = f"{endpoints.postgresql_host}:{endpoints.postgresql_port}"
    monkeypatch.setenv(URI, f"postgresql://dropless_admin:{password}@{server}/")
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "defs.yaml").write_text(request.param.format(name=f"probe{uuid.uuid4().hex[:6]}"))
    return parse_contract(folder / "defs.yaml")


@pytest.fixture
def sources(contract: Contract, endpoints: Endpoints) -> Iterator[Sources]:
    made = Sources(contract, endpoints)
    made.make()
    yield made
    forget(contract, endpoints)
    made.drop()
    (endpoints.secrets / secret_of(URI)).unlink(missing_ok=True)


@pytest.fixture
def union(contract: Contract, settings: Settings, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Starts the union worker of the table."""
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        environment = settings.environment() | {"DROPLESS_CONTRACTS": str(tmp_path)}
        command = [sys.executable, "-m", "dropless.union.worker", "--table", contract.name, "--slot", "0"]
        with (tmp_path / "worker.log").open("wb") as log:
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))

    yield start
    for process in processes:
        process.terminate()
        process.wait(30)


def forget(contract: Contract, endpoints: Endpoints) -> None:
    """Take away all that provisioning made on the platform."""
    for source in contract.sources:
        name = names.connector(contract.name, source.name)
        url = f"{endpoints.kafka_connect[0]}/connectors/{name}"
        # Connect keeps the offsets of a deleted connector for the next one of its name.
        httpx.put(f"{url}/stop", timeout=60)
        until("Connect", lambda url=url: _kept_offsets(url), 30)
        httpx.delete(url, timeout=60)
    httpx.delete(f"{endpoints.pinot_controller}/tables/{contract.name}", timeout=60)
    httpx.delete(f"{endpoints.pinot_controller}/schemas/{contract.name}", timeout=60)
    for subject in desired.subjects(contract):
        for permanent in ("false", "true"):
            url = f"{endpoints.schema_registry}/subjects/{subject.name}"
            httpx.delete(url, params={"permanent": permanent}, timeout=60)
    admin = AdminClient(durability.admin_client(endpoints))
    for future in admin.delete_topics([topic.name for topic in desired.topics(contract)]).values():
        future.exception(30)
    for future in admin.delete_consumer_groups([names.union_group(contract.name)]).values():
        future.exception(30)


def _kept_offsets(url: str) -> str | None:
    answer = httpx.delete(f"{url}/offsets", timeout=60)
    return None if answer.status_code in (200, 404) else answer.text


def numbers(contract: Contract, endpoints: Endpoints) -> dict[str, int]:
    """How many rows of each source Pinot shows."""
    query = f'select "_source", count(*) from "{contract.name}" where "_deleted" = false group by "_source"'
    return {source: int(count) for source, count in pinot.select(endpoints, query).rows}


def test_a_second_table_is_provisioned_from_nothing_and_its_rows_arrive(contract, endpoints, sources, union):
    everything = desired.everything([contract], endpoints)
    known = adapters(endpoints)
    provision(everything, known)
    assert preview(everything, known).as_json() == []
    union()
    for source in contract.sources:
        sources.insert(source.name, 4, 5)
        sources.delete(source.name, 2)
    expected = {source.name: 4 for source in contract.sources}

    def missing() -> str | None:
        found = numbers(contract, endpoints)
        return None if found == expected else f"Pinot shows {found} instead of {expected}."

    until("Pinot", missing, 60)
    # A row more in the snapshot or after it would show by now.
    time.sleep(2)
    assert numbers(contract, endpoints) == expected


def test_what_a_failed_attempt_leaves_does_not_stop_the_next(contract, endpoints, sources, monkeypatch):
    everything = desired.everything([contract], endpoints)
    known = adapters(endpoints)

    def fail(change: object) -> None:
        raise DroplessError("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(known["connector"], "apply", fail)
        with pytest.raises(DroplessError, match="interrupted"):
            provision(everything, known)
    provision(everything, known)
    assert preview(everything, known).empty
