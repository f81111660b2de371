"""A unified table of a test's own: four real databases, captured by the stack's own Connect worker."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import httpx
from confluent_kafka.admin import AdminClient
from psycopg import sql

from dropless import databases, desired, durability, names
from dropless.contract import Contract
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from resources.adapters import adapters
from resources.provisioning import provision
from resources.waiting import until

CONTRACT = """
type: pipeline_assets.components.UnifiedTable
attributes:
  name: {table}
  description: A table of the tests.
  columns:
    - {{name: item, type: long, nullable: false}}
    - {{name: change, type: long, nullable: false}}
    - {{name: note, type: string}}
    - {{name: changed_at, type: timestamp, nullable: false}}
  time_column: changed_at
  sources:
    - name: shop
      postgresql: {{database: {table}_shop, table: public.items, key: [id]}}
      columns: {{item: id, change: change, note: note, changed_at: at}}
    - name: attic
      postgresql: {{database: {table}_attic, table: public.items, key: [id]}}
      columns: {{item: id, change: change, note: note, changed_at: at}}
    - name: market
      mongodb: {{database: {table}_market, collection: items}}
      columns: {{item: _id, change: change, note: note, changed_at: at}}
    - name: cellar
      mongodb: {{database: {table}_cellar, collection: items}}
      columns: {{item: _id, change: change, note: note, changed_at: at}}
"""
# The database itself notes everything that is committed, in the same transaction.
TABLES = """
create table public.items (id bigint primary key, change bigint not null, note text, at timestamptz not null);
create table public.journal (op text not null, id bigint, change bigint);
create function public.note() returns trigger language plpgsql as $$ begin
  if tg_op = 'INSERT' then insert into public.journal select 'c', id, change from later;
  elsif tg_op = 'UPDATE' then insert into public.journal select 'u', id, change from later;
  elsif tg_op = 'DELETE' then insert into public.journal select 'd', id, change from earlier;
  else insert into public.journal values ('t', null, null);
  end if; return null; end $$;
create trigger inserted after insert on public.items referencing new table as later
  for each statement execute function public.note();
create trigger updated after update on public.items referencing new table as later
  for each statement execute function public.note();
create trigger deleted after delete on public.items referencing old table as earlier
  for each statement execute function public.note();
create trigger truncated after truncate on public.items for each statement execute function public.note();
"""
# Rows by which a test sees that a connector streams; they are no part of what is compared.
FIRST_MARKER = 9_000_000
STREAMED = ("shop", "market")
SNAPSHOT = ("attic", "cellar")


class Captured:
    """The contract, its databases, and the part of the pipeline that ends in the unified topic."""

    def __init__(self, folder: Path, endpoints: Endpoints, settings: Settings) -> None:
        self.endpoints = endpoints
        self.table = f"t{uuid.uuid4().hex[:10]}"
        (folder / self.table).mkdir()
        (folder / self.table / "defs.yaml").write_text(CONTRACT.format(table=self.table))
        own = Settings(settings.state, settings.cache, folder, settings.port_base, settings.topology)
        self.contract: Contract = declared(own, self.table)
        self._environment = own.environment()
        self._log = folder / "worker.log"
        self._worker: subprocess.Popen[bytes] | None = None

    def database(self, source: str) -> str:
        return f"{self.table}_{source}"

    def make(self) -> None:
        """The empty databases, and everything that does not depend on one source."""
        for source in self.contract.sources:
            database = self.database(source.name)
            if source.postgresql:
                with databases.postgresql(self.endpoints, "postgres", "admin", autocommit=True) as connection:
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
                with databases.postgresql(self.endpoints, database, "admin") as connection:
                    connection.execute(TABLES)
            else:
                with databases.mongodb(self.endpoints, "admin") as client:
                    client[database].create_collection("items")
        provision(desired.topics(self.contract), adapters(self.endpoints))

    def capture(self, *sources: str) -> None:
        """Prepare these sources and start their connectors."""
        wanted = {names.connector(self.table, source) for source in sources}
        made = [
            *desired.postgresql_sources(self.contract, self.endpoints),
            *desired.mongodb_sources(self.contract, self.endpoints),
            *desired.connectors(self.contract, self.endpoints),
        ]
        provision([each for each in made if each.name in wanted], adapters(self.endpoints))

    def start_union(self) -> None:
        command = [sys.executable, "-m", "dropless.union.worker", "--table", self.table, "--slot", "0"]
        with self._log.open("ab") as log:
            self._worker = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def connector_url(self, source: str) -> str:
        return f"{self.endpoints.kafka_connect[0]}/connectors/{names.connector(self.table, source)}"

    def remove(self) -> None:
        """Take everything away again, as far as it was made."""
        if self._worker:
            self._worker.terminate()
            self._worker.wait(30)
        for source in self.contract.sources:
            self._forget(source.name)
        for source in self.contract.sources:
            # The collections stay: SecantusDB takes minutes to drop one that is not small.
            if source.postgresql:
                self._drop_postgresql(source.name)
        admin = AdminClient(durability.admin_client(self.endpoints))
        for future in admin.delete_topics([topic.name for topic in desired.topics(self.contract)]).values():
            future.exception(30)
        for future in admin.delete_consumer_groups([names.union_group(self.table)]).values():
            future.exception(30)

    def _forget(self, source: str) -> None:
        url = self.connector_url(source)
        httpx.put(f"{url}/stop", timeout=60)

        def kept() -> str | None:
            # Connect keeps the offsets of a deleted connector for the next one of its name.
            answer = httpx.delete(f"{url}/offsets", timeout=60)
            return None if answer.status_code in (200, 404) else answer.text

        until("Connect", kept, 60)
        httpx.delete(url, timeout=60)

    def _drop_postgresql(self, source: str) -> None:
        slot = names.slot(self.table, source)

        def kept() -> str | None:
            found = connection.execute(
                "select active from pg_replication_slots where slot_name = %s", [slot]
            ).fetchone()
            if found and not found[0]:
                connection.execute("select pg_drop_replication_slot(%s)", [slot])
            return "its slot is in use" if found and found[0] else None

        # A slot can be dropped only from its own database.
        with databases.postgresql(self.endpoints, self.database(source), "admin", autocommit=True) as connection:
            until("PostgreSQL", kept, 60)
        with databases.postgresql(self.endpoints, "postgres", "admin", autocommit=True) as connection:
            name = sql.Identifier(self.database(source))
            connection.execute(sql.SQL("drop database {} with (force)").format(name))
