"""A contract and its sources change while rows flow: every change is carried through, and no row is lost.

One small table of our own goes through all of it, in the order of the tests; the traffic never stops for a change.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from decimal import Decimal

import pytest
from changing_table import ChangingTable
from program import DROPLESS

from dropless import names
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unsafe
from dropless.lake.client import Lake
from dropless.lake.store import Store
from dropless.settings import Settings
from resources.replay import dead_letters
from resources.waiting import until

# The first test of a session also waits for the whole stack.
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

HEAD = """
type: pipeline_assets.components.UnifiedTable
attributes:
  name: {name}
  lake: {{commit_seconds: 1}}
  partitions: 2
  time_column: at
"""
COLUMNS = """
  columns:
    - {{name: n, type: int}}
    - {{name: amount, type: "decimal(10,2)"}}
    - {{name: at, type: timestamp, nullable: false}}
"""
SOURCES = """
  sources:
    - name: shop
      postgresql: {{database: "{name}", table: public.items, key: [id]}}
      columns:
        n: n
        amount: total
        at: at
"""
MARKET = """
    - name: market
      mongodb: {{database: "{name}", collection: items}}
      columns: {{n: count, amount: price, note: note, at: at}}
"""


class Contract:
    """The text of the declaration, changed piece by piece as a person would."""

    text = HEAD + COLUMNS + SOURCES

    def column(self, line: str, expression: str) -> None:
        self.text = self.text.replace("    - {{name: at,", f"    - {{{{{line}}}}}\n    - {{{{name: at,")
        self.expression(expression)

    def expression(self, line: str) -> None:
        self.text = self.text.replace("        at: at\n", f"        {line}\n        at: at\n")

    def replace(self, old: str, new: str) -> None:
        assert old in self.text
        self.text = self.text.replace(old, new)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract()


@pytest.fixture(scope="module")
def table(
    settings: Settings, endpoints: Endpoints, contract: Contract, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChangingTable]:
    made = ChangingTable(settings, endpoints, tmp_path_factory.mktemp("changing"))
    made.make()
    made.declare(contract.text)
    made.change_some()
    try:
        made.apply()
        made.await_equal()
        yield made
    finally:
        made.remove()


def dead(table: ChangingTable) -> list[str]:
    return [letter.reason for letter in dead_letters(table.endpoints, table.name)]


def test_a_column_that_raw_has_already_is_filled_from_then_on(table: ChangingTable, contract: Contract) -> None:
    contract.column("name: note, type: string", "note: note")
    table.declare(contract.text)
    planned = table.plan()
    assert {"dimensionFieldSpecs"} == planned[f"pinot_schema:{table.name}"]
    assert f"subject:{names.subject(names.unified_topic(table.name))}" in planned
    assert f"connector:{table.name}.shop" not in planned
    with table.traffic():
        table.apply()
        table.change_some()
    assert table.processes.started == [f"lake-{table.name}", f"union-{table.name}-0"]
    assert table.plan() == {}
    table.await_equal(perhaps_null=["note"])
    table.touch_all()
    table.await_equal()
    assert table.audit().dead == 0


def test_a_column_may_be_declared_before_its_source_has_it(table: ChangingTable, contract: Contract) -> None:
    before = contract.text
    contract.column('name: discount, type: "decimal(5,2)"', "discount: discount")
    table.declare(contract.text)
    with pytest.raises(DroplessError, match=r"has no column discount, which the contract reads.*optional: true"):
        table.apply()
    contract.text = before
    contract.column('name: discount, type: "decimal(5,2)"', "discount: {{from: discount, optional: true}}")
    table.declare(contract.text)
    with table.traffic():
        table.apply()
        table.change_some()
        table.execute("alter table items add column discount numeric(5,2)")
        table.change_some()
    table.await_equal(perhaps_null=["discount"])
    table.touch_all()
    table.await_equal()
    assert any(row["discount"] for row in table.truth().values())
    assert table.audit().dead == 0


def test_what_would_not_hold_every_value_is_refused_by_name(
    table: ChangingTable, contract: Contract, settings: Settings
) -> None:
    for old, new, sentence in (
        ('"decimal(10,2)"', '"decimal(12,1)"', r"column 'amount' is decimal\(10,2\) and would be decimal\(12,1\)"),
        ("type: int}}", "type: double}}", "column 'n' is int and would be double"),
        ("    - {{name: note, type: string}}\n", "", "column 'note' would go"),
        ("type: string}}", "type: string, allowed: [x]}}", "column 'note' may hold any value"),
    ):
        text = contract.text.replace(old, new)
        if not new:
            text = text.replace("        note: note\n", "")
        table.declare(text)
        with pytest.raises(DroplessError, match=sentence):
            table.apply()
    command = ["plan", "--json", "--only", f"subject:{names.subject(names.unified_topic(table.name))}"]
    environment = os.environ | {"DROPLESS_CONTRACTS": str(table.folder / "defs")}
    done = subprocess.run([*DROPLESS, *command], capture_output=True, text=True, check=False, env=environment)
    [told] = json.loads(done.stdout)
    assert (done.returncode, told["destructive"]) == (1, False)
    assert "column 'note'" in told["refused"]
    table.declare(contract.text)
    assert table.plan() == {}


def test_types_become_wider_under_traffic(table: ChangingTable, contract: Contract) -> None:
    contract.replace("name: n, type: int", "name: n, type: long")
    contract.replace('"decimal(10,2)"', '"decimal(14,4)"')
    table.declare(contract.text)
    with pytest.raises(
        Unsafe, match=f"cannot change table '{table.name}' in place: column 'n' is metric INT and would"
    ):
        table.apply()
    with table.traffic():
        table.apply(allow_destructive=True)
        table.execute("alter table items alter n type bigint, alter total type numeric(14,4)")
        table.execute("insert into items (id, n, total, at) values (1000, 9007199254740993, 1234567890.1234, now())")
        table.change_some()
    table.touch_all()
    table.await_equal()
    rows = table.truth()
    assert (rows["shop:1000"]["n"], rows["shop:1000"]["amount"]) == (2**53 + 1, Decimal("1234567890.1234"))
    schema = Lake(Store.reader(table.endpoints)).table(names.changes_table(table.name)).schema
    assert (str(schema.field("n").type), str(schema.field("amount").type)) == ("int64", "decimal128(14, 4)")
    assert table.audit().dead == 0
    assert table.plan() == {}


def test_a_source_is_added_with_the_rows_that_it_has(table: ChangingTable, contract: Contract) -> None:
    table.make_market(50)
    contract.text += MARKET.lstrip("\n")
    table.declare(contract.text)
    with table.traffic():
        table.apply()
        table.change_some()
    table.touch_all()
    table.await_equal()
    assert sum(key.startswith("market:") for key in table.truth()) == 50
    assert table.audit().dead == 0


def test_a_renamed_column_costs_no_row(table: ChangingTable, contract: Contract) -> None:
    with table.traffic():
        table.execute("alter table items rename total to price")
        table.change_some()
        until("The union", lambda: None if dead(table) else "no dead letter yet", 60)
        with pytest.raises(DroplessError, match=r"has no column total, which .*`from: \[<new>, total\]`"):
            table.apply()
        contract.replace("amount: total", "amount: {{from: [price, total]}}")
        table.declare(contract.text)
        table.apply()
        table.change_some()
    assert all("needs `total`, which the source's row does not have" in reason for reason in dead(table))
    outcome = table.replay()
    assert outcome.still_dead == 0
    assert outcome.replayed + outcome.superseded == len(dead(table))
    table.await_equal()
    table.change_some()
    table.await_equal()


def test_rows_with_an_unknown_column_are_quarantined_until_it_is_known(
    table: ChangingTable, contract: Contract
) -> None:
    contract.replace("  time_column: at\n", "  time_column: at\n  schema_policy: quarantine\n")
    if "mongodb" in contract.text:
        contract.replace("      mongodb: {{database", "      schema_policy: freeze\n      mongodb: {{database")
    table.declare(contract.text)
    before = len(dead(table))
    with table.traffic():
        table.apply()
        table.change_some()
        assert len(dead(table)) == before
        table.execute("alter table items add column gift boolean")
        table.change_some()
        until("The union", lambda: None if len(dead(table)) > before else "no dead letter yet", 60)
        contract.column("name: gift, type: boolean", "gift: {{from: gift, optional: true}}")
        table.declare(contract.text)
        table.apply()
        table.change_some()
    quarantined = dead(table)[before:]
    assert all(reason.startswith("The row has `gift`, which the contract neither takes") for reason in quarantined)
    outcome = table.replay()
    assert outcome.still_dead == 0
    table.touch_all()
    table.await_equal()


def test_a_new_column_of_a_source_that_evolves_is_written_into_the_contract(
    table: ChangingTable, contract: Contract
) -> None:
    contract.replace("schema_policy: quarantine", "schema_policy: evolve")
    table.declare(contract.text)
    table.apply()
    environment = os.environ | {"DROPLESS_CONTRACTS": str(table.folder / "defs")}

    def evolve(*options: str) -> str:
        command = [*DROPLESS, "evolve", table.name, *options]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    assert ("'touched'" in evolve()) == (len(table.contract.sources) > 1)
    with table.traffic():
        table.execute("alter table items add column tag jsonb, add column seen timestamptz")
        table.change_some()
        assert f"`dropless evolve {table.name} --write` adds it as {{name: tag" in evolve()
        told = evolve("--write")
        assert "+ shop: tag: {from: tag, optional: true}" in told
        assert '{name: seen, type: "timestamp"}' in told
        table.read()
        table.apply()
        table.change_some()
    assert "'tag'" not in evolve()
    table.touch_all()
    table.await_equal()
    assert any(row["tag"] for row in table.truth().values())


def test_raw_records_of_every_shape_make_the_table_again(table: ChangingTable) -> None:
    table.delete_unified_topic()
    table.apply(allow_destructive=True)
    table.await_equal(seconds=90)
    assert table.audit().dead == 0
    assert table.plan() == {}
