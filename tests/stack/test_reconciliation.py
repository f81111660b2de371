"""Sources, Pinot and the lake are compared while rows flow: what is wrong is found, named and mended, and nothing else.

The table of faults in docs/reconciliation.md is written by these tests (DROPLESS_WRITE_DOCS=1).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from breaking import cut
from confluent_kafka.admin import AdminClient
from deltalake import DeltaTable
from faulty_orders import SHOP, Orders, double, found, key, traffic
from program import DROPLESS
from test_equality import EDGES
from webserver import Webserver

from dropless import databases, names, pinot
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.lake.datafiles import files
from dropless.lake.merge import Merge
from dropless.lake.scan import live
from dropless.lake.store import Store
from dropless.reconciliation.canonical import MODULUS, Hasher
from dropless.reconciliation.findings import Wrong
from dropless.settings import PROJECT, Settings
from pipeline_assets import keys
from resources.audit import audit
from resources.pinot_segments import begin_new_segments
from resources.reconcile_postgresql import PostgresqlSide
from resources.rest import Rest
from resources.waiting import until

pytestmark = pytest.mark.timeout(600)

DOCS = PROJECT / "docs" / "reconciliation.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


@dataclass
class Fault:
    """One row of the table in the documentation."""

    name: str
    found: str
    find_seconds: float
    repair_seconds: float
    tier: str = "full"


FAULTS: dict[str, Fault] = {}
# The segments that hold some of our rows.
HELD = """
    select "$segmentName", count(*) from orders where "_deleted" = false and "_key" in ({})
    group by "$segmentName" order by count(*) desc"""


@pytest.fixture(scope="module")
def orders(settings: Settings, endpoints: Endpoints, kafka: AdminClient) -> Iterator[Orders]:
    made = Orders(settings, endpoints, declared(settings, "orders"), kafka)
    yield made
    with databases.postgresql(endpoints, "webshop") as connection:
        connection.execute("delete from shop.orders where shop_code = %s", [SHOP])
    # What was lost on purpose is not told again.
    audit(endpoints, made.contract, settings.audit_bookmark("orders"), accept=True)


def test_postgresql_writes_every_value_as_we_do(endpoints: Endpoints, orders: Orders) -> None:
    with databases.postgresql(endpoints, "webshop") as connection:
        for values in EDGES.values():
            connection.execute("delete from shop.orders where (shop_code, order_no) = (%s, %s)", values[:2])
            connection.execute(f"insert into shop.orders values ({', '.join(['%s'] * len(values))})", values)
    for name in ("store", "webshop"):
        source = orders.contract.source(name)
        assert source.postgresql
        side = PostgresqlSide(endpoints, orders.contract, source, source.postgresql)
        # Nothing but documents has to be fetched.
        assert [each.name for each in side.split.fetched] == ["details"]
        in_sql = {key: [each % MODULUS for each in sums] for key, _, *sums in side.hashed([side.everything])}
        rows = side.rows(in_sql.keys())
        side.release()
        hasher = Hasher(side.split)
        mapped = {key: list(hasher.hashes(key, row)[1:]) for key, row in rows.items() if isinstance(row, dict)}
        assert len(mapped) > 900
        assert {key: in_sql[key] for key in mapped} == mapped


def test_nothing_is_found_in_a_sound_table_under_traffic(endpoints: Endpoints, orders: Orders) -> None:
    with traffic(endpoints, 40):
        counts = orders.reconcile("counts")
        full = orders.reconcile("full")
    for report in (counts, full):
        assert report.sound, report.findings[:5]
        assert sum(report.rows.values()) > 2500
        assert report.touched > 50
        # Every row that changed was looked at again, until it stood still.
        assert len(report.fences) > 2
        assert {each.unsettled for each in report.comparisons} == {0}


WHERE = """
    (amount > 20.50 or currency in ('USD', 'GBP')) and status <> 'cancelled' and item_count between 1 and 5
    and gift is not null and not promised_on < '2001-01-01' and placed_at >= '2002-03-04 05:06:07+01'
"""


def test_every_system_can_be_asked_for_some_of_the_rows(orders: Orders) -> None:
    [everything, some] = [orders.reconcile("full", where=each) for each in (None, WHERE)]
    assert some.sound, some.findings[:5]
    for name, number in some.rows.items():
        assert 0 < number < everything.rows[name]
    # Nothing changes, so that all have chosen the same rows, and not only those that were looked at again.
    assert [dict(each.rows) for each in some.comparisons] == [some.rows, some.rows]


def test_every_fault_is_found_and_named_and_mended_under_traffic(endpoints: Endpoints, orders: Orders) -> None:
    orders.insert(*range(1, 9))
    rows = orders.newest(*range(1, 9))
    since = orders.raw_ends()
    with orders.union_that_skips_what_comes():
        orders.insert(100)
        orders.delete(1)
        orders.captured(2, since)
    with traffic(endpoints, 20):
        orders.delete(2)
        deletion = orders.newest(2, deleted=True)[2]
        orders.forge(
            [
                rows[3] | {"amount": rows[8]["amount"]},
                rows[8] | {"amount": rows[3]["amount"]},
                rows[4] | {"amount": "4.30"},
                rows[5] | {"placed_at_us": rows[5]["placed_at_us"] + 3_600_000_000},
                rows[6] | {"updated_at_us": rows[6]["updated_at_us"] // 1000 * 1000},
                rows[2] | {"_position": deletion["_position"]},
            ]
        )
        double(orders, key(7))
        began = time.monotonic()
        report = orders.reconcile()
        seconds = time.monotonic() - began
        both = {
            100: Wrong.MISSING,
            1: Wrong.EXTRA,
            2: Wrong.EXTRA,
            3: Wrong.DIFFERENT,
            4: Wrong.DIFFERENT,
            5: Wrong.DIFFERENT,
            8: Wrong.DIFFERENT,
        }
        assert found(report, "pinot") == {key(number): what for number, what in both.items()}
        only_there = {6: Wrong.DIFFERENT, 7: Wrong.DOUBLED}
        assert found(report, "lake") == {key(number): what for number, what in (both | only_there).items()}
        columns = {each.key: each.columns for each in report.findings if each.what is Wrong.DIFFERENT}
        assert columns == {
            key(3): ("amount",),
            key(4): ("amount",),
            key(5): ("placed_at",),
            key(6): ("updated_at",),
            key(8): ("amount",),
        }
        assert report.sound is False
        after, repaired = orders.repair(report)
        assert after.sound, after.findings
    for name, number in {
        "a row is lost on the way": 100,
        "a deletion is lost": 1,
        "a deleted row comes back": 2,
        "two rows' values are swapped": 3,
        "digits are cut from a decimal": 4,
        "a timestamp is an hour off": 5,
        "microseconds are cut (the lake)": 6,
        "a row is there twice (the lake)": 7,
    }.items():
        FAULTS[name] = Fault(name, str(found(report, "lake")[key(number)]), seconds, repaired)


def test_an_emptied_table_is_found_by_counting_and_its_rows_are_deleted(orders: Orders) -> None:
    with databases.postgresql(orders.endpoints, "store", "admin") as connection:
        connection.execute("create table public.kept as table public.orders")
        [(rows,)] = connection.execute("select count(*) from public.orders").fetchall()
        connection.execute("truncate public.orders")
    try:
        began = time.monotonic()
        report = orders.reconcile("counts")
        seconds = time.monotonic() - began
        for system in ("lake", "pinot"):
            wrong = found(report, system)
            assert set(wrong.values()) == {Wrong.EXTRA}
            # Of refused orders there is nothing to delete.
            assert rows * 0.9 < len(wrong) <= rows
            assert all(each.startswith("store:") for each in wrong)
        after, repaired = orders.repair(report)
        assert after.sound, after.findings[:5]
        assert after.rows["store"] == 0
        FAULTS["truncate"] = Fault("the source's table is emptied (TRUNCATE)", Wrong.EXTRA, seconds, repaired, "counts")
    finally:
        with databases.postgresql(orders.endpoints, "store", "admin") as connection:
            connection.execute("insert into public.orders select * from public.kept on conflict do nothing")
            connection.execute("drop table public.kept")
    assert orders.reconcile("counts").sound


def test_a_broken_file_of_the_lake_is_told_and_pinot_is_still_compared(orders: Orders) -> None:
    store = Store.pipeline(orders.endpoints)
    Merge(store, "orders").run()
    table = DeltaTable(store.uri("orders"), storage_options=store.delta_options())
    cut(store, "orders", max(files(table), key=lambda each: each.bytes).path)
    began = time.monotonic()
    report = orders.reconcile()
    seconds = time.monotonic() - began
    [finding] = report.findings
    assert (finding.system, finding.what) == ("lake", Wrong.UNREADABLE)
    assert {each.system: each.sound for each in report.comparisons} == {"lake": False, "pinot": True}
    after, repaired = orders.repair(report)
    assert after.sound, after.findings[:5]
    FAULTS["file"] = Fault("a file of the lake's current state is broken", Wrong.UNREADABLE, seconds, repaired)


def test_broken_files_of_the_changes_are_told_and_written_anew_from_the_unified_topic(orders: Orders) -> None:
    store, folder = Store.pipeline(orders.endpoints), names.changes_table("orders")

    def changes() -> DeltaTable:
        return DeltaTable(store.uri(folder), storage_options=store.delta_options())

    def origins() -> Counter[tuple[str, int, int]]:
        table = live(store, folder, changes()).to_table(["_topic", "_partition", "_offset"])
        return Counter(zip(*(column.to_pylist() for column in table.columns), strict=True))

    Merge(store, "orders").run()
    merged = files(changes())
    # The merge has yet to read what comes now.
    orders.insert(*range(500, 520))
    until("The lake", lambda: None if len(files(changes())) > len(merged) else "nothing has come", 60)
    before, known = origins(), {each.path for each in merged}
    fresh = next(each for each in files(changes()) if each.path not in known)
    for each in (max(merged, key=lambda file: file.bytes), fresh):
        cut(store, folder, each.path)
    began = time.monotonic()
    report = orders.reconcile()
    seconds = time.monotonic() - began
    [finding] = report.findings
    assert (finding.system, finding.what) == ("lake", Wrong.UNREADABLE)
    assert folder in finding.detail
    assert "and 1 more" in finding.detail
    after, repaired = orders.repair(report)
    assert after.sound, after.findings[:5]
    assert before - origins() == Counter()
    FAULTS["changes"] = Fault("files of the lake's changes are broken", Wrong.UNREADABLE, seconds, repaired)


def test_a_deleted_segment_of_pinot_is_found_by_counting_and_its_rows_are_read_again(
    endpoints: Endpoints, orders: Orders
) -> None:
    controller = Rest("Pinot's controller", [endpoints.pinot_controller])
    numbers = range(400, 430)
    held = HELD.format(", ".join(f"'{key(number)}'" for number in numbers))

    def shown() -> dict[str, int]:
        return dict(pinot.select(endpoints, held).rows)

    # A segment of their own for some rows.
    begin_new_segments(controller, "orders")
    orders.insert(*numbers)
    until("Pinot", lambda: None if sum(shown().values()) == len(numbers) else "not all rows are there", 60)
    begin_new_segments(controller, "orders")
    segment, rows = next(iter(shown().items()))
    controller.call("delete a segment", "DELETE", f"/segments/orders_REALTIME/{segment}")
    until("Pinot", lambda: "it is there" if segment in shown() else None, 60)
    with traffic(endpoints, 20):
        began = time.monotonic()
        report = orders.reconcile("counts")
        seconds = time.monotonic() - began
        assert set(found(report, "pinot").values()) == {Wrong.MISSING}
        assert len({key(number) for number in numbers} & found(report, "pinot").keys()) == rows
        assert found(report, "lake") == {}
        after, repaired = orders.repair(report)
        assert after.sound, after.findings[:5]
    FAULTS["segment"] = Fault("a segment of Pinot is deleted", Wrong.MISSING, seconds, repaired, "counts")


def test_the_command_tells_findings_by_its_exit_code_and_mends_them(orders: Orders) -> None:
    orders.insert(200)
    row = orders.newest(200)[200]
    orders.forge([row | {"currency": "USD"}])
    environment = orders.settings.environment()
    asked = [*DROPLESS, "reconcile", "--table", "orders", "--source", "webshop"]
    told = subprocess.run([*asked, "--json"], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 3, told.stderr
    [report] = json.loads(told.stdout)
    findings = [each for comparison in report["comparisons"] for each in comparison["findings"]]
    assert {(each["system"], each["key"], each["what"]) for each in findings} == {
        ("lake", key(200), "different"),
        ("pinot", key(200), "different"),
    }
    mended = subprocess.run([*asked, "--repair"], env=environment, capture_output=True, text=True, check=False)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "Mended: 1 rows of webshop read again." in mended.stdout
    [page] = [line.partition(": ")[2] for line in mended.stdout.splitlines() if line.startswith("The page")][-1:]
    assert "agree on" in Path(page).read_text()


@pytest.mark.long
def test_dagster_reconciles_and_repairs(orders: Orders, web: Webserver) -> None:
    lake, pinot = keys.lake_table("orders").path, keys.pinot_table("orders").path
    checks = [(tuple(lake), "agrees_with_the_sources"), (tuple(pinot), "agrees_with_the_sources")]
    assert web.run("reconcile").succeeded
    assert {check: web.evaluation(*check).status for check in checks} == dict.fromkeys(checks, "SUCCEEDED")
    orders.insert(300)
    orders.forge([orders.newest(300)[300] | {"item_count": 7}])
    assert web.run("reconcile").succeeded
    assert {check: web.evaluation(*check).status for check in checks} == dict.fromkeys(checks, "FAILED")
    repair = web.run("repair_rows", config={"ops": {"mend_rows": {"config": {"table": "orders"}}}})
    assert repair.succeeded, repair.failures
    assert web.run("reconcile").succeeded
    assert {check: web.evaluation(*check).status for check in checks} == dict.fromkeys(checks, "SUCCEEDED")


def test_the_documentation_has_the_table_of_faults() -> None:
    if len(FAULTS) < 12:
        pytest.skip("only some of the faults were played")
    head = "| fault | found as | by the tier | seconds to find | seconds to repair and prove |\n|---|---|---|---|---|"
    lines = [
        f"| {each.name} | {each.found} | {each.tier} | {each.find_seconds:.0f} | {each.repair_seconds:.0f} |"
        for each in FAULTS.values()
    ]
    text = DOCS.read_text()
    before, rest = text.split(BEGIN)
    told, after = rest.split(END)
    if os.environ.get("DROPLESS_WRITE_DOCS"):
        DOCS.write_text(f"{before}{BEGIN}\n{head}\n" + "\n".join(lines) + f"\n{END}{after}")
        return
    known = [line.split("|")[1:4] for line in told.strip().splitlines()[2:]]
    assert known == [line.split("|")[1:4] for line in lines]
