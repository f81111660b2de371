"""A unified table whose contract and sources change under traffic: its sources, its processes, and the comparison."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from bson import Decimal128, Int64
from confluent_kafka.admin import AdminClient
from psycopg import errors, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from test_second_table import forget

from dropless import databases, desired, durability, names
from dropless.contract import Contract, parse_contract
from dropless.declared import contract_digest, written
from dropless.endpoints import Endpoints
from dropless.lake.store import Store
from dropless.plan import Change, Plan, Resource
from dropless.processes import OwnProcess, own_processes
from dropless.reconciliation import newest
from dropless.settings import Settings
from resources.adapter import Adapter
from resources.adapters import adapters
from resources.audit import Report, audit
from resources.provisioning import preview, provision
from resources.replay import Outcome, replay
from resources.waiting import until

RATE = 40
KEYS = 200
SHOWN = [None, "null", Decimal(0)]
"""How Pinot shows a column in a row that it stored before it knew the column."""
STATUS_PORTS = 500
"""Beside those of the stack's own processes."""


class Processes:
    """The table's lake writer and union as things to provision, started as supervisord would."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._stack, self._folder = settings, folder
        self._mine = replace(
            settings, state=folder, contracts=folder / "defs", port_base=settings.port_base + STATUS_PORTS
        )
        self._running: dict[str, tuple[subprocess.Popen[bytes], str]] = {}
        self.started: list[str] = []

    def own(self, contract: Contract) -> list[OwnProcess]:
        return own_processes([contract], self._mine)

    def desired(self, contract: Contract) -> list[Resource]:
        properties = {"running": True, "contract": contract_digest(contract)}
        hints = {"table": contract.name, "contract": contract}
        return [Resource(each.kind, "process", each.name, properties, hints) for each in self.own(contract)]

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        found = {}
        for each in desired:
            if each.name in self._running:
                process, digest = self._running[each.name]
                properties = {"running": process.poll() is None, "contract": digest}
                found[each.id] = Resource(each.system, each.kind, each.name, properties)
        return found

    def apply(self, change: Change) -> None:
        name, contract = change.desired.name, change.desired.hints["contract"]
        self._stop(name)
        own = next(each for each in self.own(contract) if each.name == name)
        own.contract_file.parent.mkdir(parents=True, exist_ok=True)
        own.contract_file.write_text(written(contract))
        environment = os.environ | self._stack.environment() | {"DROPLESS_CONTRACTS": str(self._mine.contracts)}
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(own.argv, env=environment, stdout=log, stderr=log)
        self._running[name] = (process, own.contract_digest)
        self.started.append(name)

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        for each in desired:
            until(each.name, lambda each=each: self._missing(each), timeout_seconds)

    def pause(self, resource: Resource) -> None:
        self._stop(resource.name)

    def _missing(self, resource: Resource) -> str | None:
        own = next(each for each in self.own(resource.hints["contract"]) if each.name == resource.name)
        try:
            told = httpx.get(own.status_url, timeout=5, trust_env=False).json()
        except httpx.TransportError as error:
            return str(error)
        right = told["contract_digest"] == own.contract_digest
        return None if told["state"] == "running" and right else f"it is {told['state']}"

    def _stop(self, name: str) -> None:
        if name in self._running:
            process, _ = self._running[name]
            process.terminate()
            process.wait(30)

    def stop(self) -> None:
        for name in self._running:
            self._stop(name)


class ChangingTable:
    """One PostgreSQL source `shop`, later a MongoDB source `market`; traffic writes into whatever columns there are."""

    def __init__(self, settings: Settings, endpoints: Endpoints, folder: Path) -> None:
        self.endpoints, self.folder = endpoints, folder
        self.name = f"change{uuid.uuid4().hex[:6]}"
        self.processes = Processes(settings, folder)
        self.known: dict[str, Adapter] = {**adapters(endpoints), "process": self.processes}
        self.contract: Contract
        self.replayed = False
        self._random = random.Random(5)
        self._failed: list[BaseException] = []

    # --- contract ---

    def declare(self, text: str) -> None:
        path = self.folder / "defs" / self.name / "defs.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(name=self.name))
        self.read()

    def read(self) -> None:
        self.contract = parse_contract(self.folder / "defs" / self.name / "defs.yaml")

    @property
    def everything(self) -> list[Resource]:
        mine = [each for each in desired.everything([self.contract], self.endpoints) if each.system != "minio"]
        return [*mine, *self.processes.desired(self.contract)]

    def plan(self) -> dict[str, set[str]]:
        changes = preview(self.everything, self.known).changes
        return {each.desired.id: {change.path for change in each.properties} for each in changes}

    def apply(self, **options: bool) -> Plan:
        self.processes.started.clear()
        return provision(self.everything, self.known, lambda doing: print(f"{time.monotonic():.1f} {doing}"), **options)

    # --- sources ---

    def make(self) -> None:
        with databases.postgresql(self.endpoints, "postgres", "admin", autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(self.name)))
        self.execute(
            "create table items (id integer primary key, n integer, total numeric(10,2), note text, at timestamptz)"
        )

    def execute(self, statement: str) -> None:
        with databases.postgresql(self.endpoints, self.name, "admin") as connection:
            connection.execute(statement)

    def make_market(self, documents: int) -> None:
        with databases.mongodb(self.endpoints, "admin") as client:
            client[self.name]["items"].insert_many(self._document(number) for number in range(documents))

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Inserts, updates and deletes while the block runs, and some more after it."""
        stop = threading.Event()

        def write() -> None:
            try:
                self._write(stop)
            except BaseException as error:  # noqa: BLE001 - it is raised again in the test's own thread
                self._failed.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if self._failed:
            raise self._failed.pop()

    def change_some(self, count: int = 2 * RATE) -> None:
        """So many changes, one after the other; done when they are committed."""
        with databases.postgresql(self.endpoints, self.name, "admin", autocommit=True) as connection:
            for _ in range(count):
                self._change(connection)

    def touch_all(self) -> None:
        """Change every row, so that each is mapped by the present contract."""
        with databases.postgresql(self.endpoints, self.name, "admin") as connection:
            connection.execute("update items set n = n")
        if len(self.contract.sources) > 1:
            with databases.mongodb(self.endpoints, "admin") as client:
                client[self.name]["items"].update_many({}, {"$inc": {"touched": 1}})

    def _write(self, stop: threading.Event) -> None:
        with databases.postgresql(self.endpoints, self.name, "admin", autocommit=True) as connection:
            while not stop.is_set():
                self._change(connection)
                stop.wait(1 / RATE)

    def _change(self, connection: Any) -> None:
        try:
            # Asked for every time: the table may have been changed by another thread of the test.
            cursor = connection.execute("select * from items limit 0")
            columns = [column.name for column in cursor.description]
            values = self._values()
            identity, chance = values["id"], self._random.random()
            if chance < 0.15:
                connection.execute("delete from items where id = %s", [identity])
                return
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            marks = sql.SQL(", ").join(sql.Placeholder() * len(columns))
            changed = sql.SQL(", ").join(
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(each)) for each in columns if each != "id"
            )
            statement = sql.SQL("insert into items ({}) values ({}) on conflict (id) do update set {}")
            connection.execute(statement.format(names, marks, changed), [values[each] for each in columns])
        except (errors.UndefinedColumn, errors.FeatureNotSupported):
            # As an application that is deployed anew after its table was changed.
            connection.prepare_threshold = None

    def _values(self) -> dict[str, Any]:
        number = self._random.randrange(10**6)
        price = Decimal(number) / 100
        return {
            "id": self._random.randrange(KEYS),
            "n": None if number % 11 == 0 else number,
            "total": price,
            "price": price,
            "note": f"note {number}, ü" if number % 3 else None,
            "discount": Decimal(number % 500) / 100,
            "gift": number % 2 == 0,
            "tag": Jsonb({"b": [number], "a": "ü"}),
            "seen": datetime.now(UTC),
            "at": datetime.now(UTC),
        }

    def _document(self, number: int) -> databases.Document:
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        price = Decimal128(f"{number}.50")
        return {"_id": Int64(number), "count": number, "price": price, "note": f"document {number}", "at": now}

    # --- the comparison ---

    def truth(self) -> dict[str, newest.Row]:
        """Every row as the unified table must hold it, converted by hand from what the sources hold now."""
        wanted = [column.name for column in self.contract.columns]
        rows: dict[str, newest.Row] = {}
        with (
            databases.postgresql(self.endpoints, self.name, "admin") as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            for row in cursor.execute("select * from items"):
                made = row | {"amount": row.get("price", row.get("total"))}
                if row.get("tag") is not None:
                    made["tag"] = json.dumps(row["tag"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                rows[f"shop:{row['id']}"] = {name: made.get(name) for name in wanted}
        if len(self.contract.sources) > 1:
            with databases.mongodb(self.endpoints, "admin") as client:
                for each in client[self.name]["items"].find({}):
                    made = {"n": each["count"], "amount": each["price"].to_decimal(), "note": each["note"]}
                    rows[f"market:{each['_id']}"] = {name: (made | {"at": each["at"]}).get(name) for name in wanted}
        return rows

    def await_equal(self, *, perhaps_null: Sequence[str] = (), seconds: float = 40) -> None:
        """Sources, Pinot and lake are equal, value by value; columns of `perhaps_null` may still be null."""
        expected = self.truth()

        def missing() -> str | None:
            pinot = newest.in_pinot(self.endpoints, self.contract)
            lake = newest.in_lake(self.endpoints, self.contract)
            for where, found, cut in (("Pinot", pinot, True), ("the lake", lake, False)):
                softened = _softened(expected, found, perhaps_null, shown=SHOWN if cut else [None])
                differences = list(newest.differences(softened, found, milliseconds=cut))
                if differences:
                    return f"{where} differs in {len(differences)} values: {'; '.join(sorted(differences)[:4])}."
            return None

        until("The table", missing, seconds)
        assert self.replayed or newest.repeated_in_lake(self.endpoints, self.contract) == 0

    def replay(self) -> Outcome:
        """Map the dead letters again; so that a key's newest row is its last, some rows are written once more."""
        self.replayed = True
        return replay(self.endpoints, self.contract)

    def audit(self) -> Report:
        """Every raw record is a row or a dead letter, once, in order."""
        report = audit(self.endpoints, self.contract, self.folder / f"bookmark-{time.monotonic_ns()}.json")
        assert report.findings == ()
        assert report.records == report.rows + report.dead
        return report

    # --- the end ---

    def delete_unified_topic(self) -> None:
        admin, name = AdminClient(durability.admin_client(self.endpoints)), names.unified_topic(self.name)
        admin.delete_topics([name], operation_timeout=10)[name].result()
        self.replayed = False
        until("Kafka", lambda: "it is there" if name in admin.list_topics(timeout=5).topics else None, 30)

    def remove(self) -> None:
        self.processes.stop()
        forget(self.contract, self.endpoints)
        with databases.postgresql(self.endpoints, self.name, "admin") as connection:
            connection.execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s",
                [names.slot(self.name, "shop")],
            )
        with databases.postgresql(self.endpoints, "postgres", "admin", autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(self.name)))
        with databases.mongodb(self.endpoints, "admin") as client:
            client.drop_database(self.name)
        store = Store.pipeline(self.endpoints)
        client = store.client()
        prefix = f"{names.changes_table(self.name)}/"
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=store.bucket, Prefix=prefix):
            if found := [{"Key": each["Key"]} for each in page.get("Contents", ())]:
                client.delete_objects(Bucket=store.bucket, Delete={"Objects": found})


def _softened(
    expected: Mapping[str, newest.Row],
    found: Mapping[str, newest.Row],
    perhaps_null: Sequence[str],
    shown: Sequence[Any],
) -> dict[str, newest.Row]:
    return {
        key: {
            name: found[key][name] if name in perhaps_null and key in found and found[key][name] in shown else value
            for name, value in row.items()
        }
        for key, row in expected.items()
    }
