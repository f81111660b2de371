"""What operators do by mistake: each mishap is told, and mended by an apply with nothing lost.

One small table of our own with one PostgreSQL source; its union is a real process that apply pauses and starts.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from psycopg import errors, sql
from watching import Watch, watch

from dropless import databases, desired, durability, names, pinot
from dropless.contract import Contract, parse_contract
from dropless.declared import contract_digest
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unsafe
from dropless.plan import Action, Change, Plan, Resource
from dropless.settings import Settings
from dropless.union.ledger import Finding
from resources.adapter import Adapter
from resources.adapters import adapters
from resources.audit import audit
from resources.provisioning import preview, provision, survey
from resources.waiting import until

pytestmark = pytest.mark.timeout(600)

CONTRACT = """
type: pipeline_assets.components.UnifiedTable
attributes:
  name: {name}
  columns:
    - {{name: pieces, type: long}}
    - {{name: counted_at, type: timestamp, nullable: false}}
  time_column: counted_at
  partitions: 2
  sources:
    - name: south
      epoch: {epoch}
      postgresql: {{database: "{name}", table: public.items, key: [id]}}
      columns: {{pieces: n, counted_at: at}}
"""


class Worker:
    """The union's process as one thing to provision: another contract is another process."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._digest = ""

    def desired(self, contract: Contract) -> Resource:
        properties = {"running": True, "contract": contract_digest(contract)}
        return Resource("union", "process", f"union-{contract.name}", properties, {"table": contract.name})

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        running = self._process is not None and self._process.poll() is None
        properties = {"running": running, "contract": self._digest}
        return {each.id: Resource(each.system, each.kind, each.name, properties) for each in desired}

    def apply(self, change: Change) -> None:
        self.stop()
        self._digest = change.desired.properties["contract"]
        environment = self._settings.environment() | {"DROPLESS_CONTRACTS": str(self._folder)}
        command = [sys.executable, "-m", "dropless.union.worker", "--table", change.desired.hints["table"]]
        with (self._folder / "worker.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def pause(self, resource: Resource) -> None:
        self.stop()

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Its rows tell."""

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(30)


class Table:
    """The table and everything that an operator may do to it."""

    def __init__(self, settings: Settings, endpoints: Endpoints, folder: Path) -> None:
        self.settings, self.endpoints, self.folder = settings, endpoints, folder
        self.name = f"mishap{uuid.uuid4().hex[:6]}"
        self.worker = Worker(settings, folder)
        self.known: dict[str, Adapter] = {**adapters(endpoints), "process": self.worker}
        self.admin = AdminClient(durability.admin_client(endpoints))
        self.raw, self.unified = names.raw_topic(self.name, "south"), names.unified_topic(self.name)
        self.connector = names.connector(self.name, "south")
        self.connect_url = f"{endpoints.kafka_connect[0]}/connectors/{self.connector}"
        self.rows = 0
        self.declare(epoch=0)

    def declare(self, epoch: int) -> None:
        path = self.folder / self.name / "defs.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(CONTRACT.format(name=self.name, epoch=epoch))
        self.contract = parse_contract(path)

    @property
    def everything(self) -> list[Resource]:
        mine = [each for each in desired.everything([self.contract], self.endpoints) if each.system != "minio"]
        return [*mine, self.worker.desired(self.contract)]

    def apply(self, *, resume: bool = False, **options: bool) -> Plan:
        wanted = [desired.running(each) for each in self.everything] if resume else self.everything
        return provision(wanted, self.known, **options)

    def plan(self) -> dict[str, set[str]]:
        """What differs, by thing."""
        changes = preview(self.everything, self.known).changes
        return {each.desired.id: {change.path for change in each.properties} for each in changes}

    def execute(self, statement: str) -> None:
        with databases.postgresql(self.endpoints, self.name, "admin") as connection:
            connection.execute(statement)

    def insert(self) -> None:
        self.rows += 1
        self.execute(f"insert into items values ({self.rows}, {self.rows}, now())")

    def change_all(self, pieces: int) -> None:
        self.execute(f"update items set n = {pieces}")

    def await_rows(self, pieces: int | None = None) -> None:
        """Every row is in Pinot, as it was last changed."""
        wanted = [self.rows] if pieces is None else [self.rows, pieces * self.rows]
        query = f'select count(*), sum(pieces) from "{self.name}" where "_deleted" = false'

        def missing() -> str | None:
            [found] = pinot.select(self.endpoints, query).rows
            told = [int(each) for each in found[: len(wanted)]]
            return None if told == wanted else f"Pinot shows {told} instead of {wanted}."

        until("Pinot", missing, 120)

    def findings(self) -> tuple[Finding, ...]:
        """What the audit finds, going on from the one before."""
        return audit(self.endpoints, self.contract, self.folder / "bookmark.json").findings

    def delete_topic(self, name: str) -> None:
        self.admin.delete_topics([name], operation_timeout=10)[name].result()
        until("Kafka", lambda: "it is there" if name in self.admin.list_topics(timeout=5).topics else None, 30)

    def stop_connector(self) -> None:
        httpx.put(f"{self.connect_url}/stop", timeout=60).raise_for_status()
        until(
            "Connect",
            lambda: "a task works" if httpx.get(f"{self.connect_url}/status", timeout=60).json()["tasks"] else None,
            60,
        )

    def drop_slot(self) -> None:
        slot = names.slot(self.name, "south")

        def drop() -> str | None:
            with closing(databases.postgresql(self.endpoints, self.name, "admin")) as connection:
                try:
                    connection.execute("select pg_drop_replication_slot(%s)", [slot])
                    connection.commit()
                except errors.ObjectInUse:
                    return "it is in use"
                except errors.UndefinedObject:
                    return None
            return None

        until("The slot", drop, 30)

    def remove(self) -> None:
        self.worker.stop()
        httpx.put(f"{self.connect_url}/stop", timeout=60)
        until(
            "Connect", lambda: None if httpx.delete(f"{self.connect_url}/offsets", timeout=60).is_success else "no", 60
        )
        httpx.delete(self.connect_url, timeout=60)
        for kind in ("tables", "schemas"):
            httpx.delete(f"{self.endpoints.pinot_controller}/{kind}/{self.name}", timeout=60)
        for subject in desired.subjects(self.contract):
            for permanent in ("false", "true"):
                url = f"{self.endpoints.schema_registry}/subjects/{subject.name}"
                httpx.delete(url, params={"permanent": permanent}, timeout=60)
        topics = [topic.name for topic in desired.topics(self.contract)]
        for future in self.admin.delete_topics(topics).values():
            future.exception(30)
        self.drop_slot()
        with databases.postgresql(self.endpoints, "postgres", "admin", autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(self.name)))


@pytest.fixture(scope="module")
def table(settings: Settings, endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    made = Table(settings, endpoints, tmp_path_factory.mktemp("contracts"))
    with databases.postgresql(endpoints, "postgres", "admin", autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(made.name)))
    made.execute("create table items (id integer primary key, n bigint, at timestamptz)")
    made.insert()
    try:
        made.apply()
        made.await_rows()
        yield made
    finally:
        made.remove()


def test_a_deleted_connector_a_dropped_pinot_table_and_a_dead_process_are_made_again(table: Table) -> None:
    httpx.delete(table.connect_url, timeout=60).raise_for_status()
    pinot_table = f"{table.endpoints.pinot_controller}/tables/{table.name}"
    httpx.delete(pinot_table, params={"type": "realtime"}, timeout=60).raise_for_status()
    table.worker.stop()
    table.insert()
    until("Connect", lambda: None if len(table.plan()) == 3 else "not all is gone yet", 30)
    assert table.plan().keys() == {
        f"connector:{table.connector}",
        f"pinot_table:{table.name}",
        f"process:union-{table.name}",
    }
    # The worst moment: nothing is seen of the old table, and its server is about to clear away all of that name.
    view = {"url": f"{pinot_table}/externalview", "params": {"type": "realtime"}, "timeout": 60}
    until("Pinot", lambda: "still seen" if "CONSUMING" in httpx.get(**view).text else None, 60)
    table.apply()
    # It went on where it was: nothing was read again.
    table.await_rows()
    assert table.apply().empty


@pytest.mark.parametrize(("command", "how"), [("pause", "paused"), ("stop", "stopped")])
def test_what_an_operator_paused_is_told_and_resumed_only_when_that_is_asked_for(
    table: Table, command: str, how: str
) -> None:
    httpx.put(f"{table.connect_url}/{command}", timeout=60).raise_for_status()
    told = {f"connector:{table.connector}": f"somebody {how} it"}
    until("Connect", lambda: None if survey(table.everything, table.known).held == told else "not yet", 30)
    assert table.plan() == {}
    table.insert()
    # Another setting is put right without resuming it.
    config = httpx.get(f"{table.connect_url}/config", timeout=60).json() | {"max.batch.size": "17"}
    httpx.put(f"{table.connect_url}/config", json=config, timeout=60).raise_for_status()
    until("Connect", lambda: None if table.plan() else "not changed yet", 30)
    assert not table.apply().empty
    assert survey(table.everything, table.known).held == told
    table.apply(resume=True)
    table.await_rows()
    assert survey(table.everything, table.known).held == {}


def test_a_dropped_slot_is_a_gap_and_the_table_is_read_anew_when_that_is_allowed(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.stop_connector()
    with watched_only(table, tmp_path, monkeypatch) as watched:
        kept = f"postgresql_source/{table.connector}:changes_are_kept"

        def said() -> str:
            watched.tick("retention")
            return watched.failing([kept]).get(kept, "")

        until("PostgreSQL", lambda: None if "Nobody reads from the slot; it holds back" in said() else said(), 30)
        before = retained(watched, table)
        table.execute("select pg_logical_emit_message(true, 'x', repeat('x', 1000000))")
        # The package's attribute of that name is the function.
        monkeypatch.setattr(import_module("pipeline_assets.sensors.retention"), "OBSERVE_SECONDS", 0.0)
        watched.tick("retention")
        assert retained(watched, table) >= before + 1_000_000
        table.drop_slot()
        assert "There is a gap: the replication slot is gone" in said()
    table.insert()
    assert "slot" in table.plan()[f"postgresql_source:{table.connector}"]
    with pytest.raises(Unsafe, match=r"is gone: changes of public\.items .* had not read are lost.*then reconcile"):
        table.apply()
    table.apply(allow_destructive=True)
    table.await_rows()
    assert table.plan() == {}
    # A slot that was made anew looks sound: the gap is told until a person has dealt with it.
    with watched_only(table, tmp_path, monkeypatch) as watched:
        watched.tick("retention")
        assert "There is a gap" in watched.failing([kept])[kept]
        config = {"ops": {"accept_gap": {"config": {"connector": table.connector}}}}
        assert watched.run("accept_gaps", config).success
        until("The slot", lambda: watched.tick("retention") and watched.failing([kept]).get(kept), 30)


@contextmanager
def watched_only(table: Table, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Sensors over this table alone, which remember what they saw."""
    with monkeypatch.context() as only:
        only.setenv("DROPLESS_CONTRACTS", str(table.folder))
        with watch(folder) as watched:
            yield watched


def retained(watched: Watch, table: Table) -> int:
    observed = watched.observed[f"postgresql_source/{table.connector}"]
    value = observed.metadata["retained_bytes"].value
    assert isinstance(value, int)
    return value


def test_a_dropped_publication_is_not_made_anew_under_the_slot(table: Table) -> None:
    table.execute(f"drop publication {names.publication(table.name, 'south')}")
    table.insert()
    with pytest.raises(Unsafe, match=r"Publication .* is gone while replication slot .* reads by it"):
        table.apply()
    table.apply(allow_destructive=True)
    table.await_rows()


def test_a_deleted_unified_topic_is_written_again_from_the_raw_ones(table: Table) -> None:
    assert table.findings() == ()
    table.delete_topic(table.unified)
    table.insert()
    with pytest.raises(
        Unsafe, match=r"was made before and is gone\. Its records can be made again from the raw topics"
    ):
        table.apply()
    table.apply(allow_destructive=True)
    table.await_rows()
    assert table.findings() == ()
    assert table.plan() == {}


def test_a_deleted_raw_topic_comes_back_only_in_a_new_epoch(table: Table) -> None:
    table.delete_topic(table.raw)
    with pytest.raises(DroplessError, match=r"made before and is gone: .* lost.* Write `epoch: 1`") as caught:
        table.apply(allow_destructive=True)
    assert not isinstance(caught.value, Unsafe)
    table.insert()
    table.declare(epoch=1)
    done = table.apply()
    assert (done.changes[0].action, done.changes[0].desired.name) == (Action.CREATE, table.raw)
    table.await_rows()
    # Versions of the new epoch come after all of the old one.
    table.change_all(7)
    table.await_rows(pieces=7)
    assert table.plan() == {}
    assert table.findings() == ()


def test_a_raw_topic_that_was_made_anew_by_hand_is_seen(table: Table) -> None:
    partitions = len(table.admin.list_topics(timeout=5).topics[table.raw].partitions)
    table.stop_connector()
    config = dict(desired.topics(table.contract)[0].properties["config"])
    table.delete_topic(table.raw)
    table.admin.create_topics([NewTopic(table.raw, partitions, 3, config=config)])[table.raw].result()
    until("The plan", lambda: None if "positions" in table.plan().get(f"topic:{table.raw}", ()) else "not seen", 30)
    epoch = table.contract.source("south").epoch + 1
    with pytest.raises(DroplessError, match=f"made anew or lost its end: .* Write `epoch: {epoch}`"):
        table.apply()
    table.change_all(8)
    table.declare(epoch=epoch)
    table.apply(resume=True)
    table.await_rows(pieces=8)
    assert table.plan() == {}
