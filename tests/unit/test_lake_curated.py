"""Curated datasets: their declaration, what a build makes of the lake, and what it leaves alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from contracts import ORDERS_FILE
from deltalake import DeltaTable
from lake_folder import DAY_ONE, FolderLake, change

from dropless.contract import parse_contract
from dropless.errors import DroplessError
from dropless.lake import catalogue, curating
from dropless.lake.built import Built
from dropless.lake.catalogue import Entry
from dropless.lake.curating import build, parts
from dropless.lake.dataset import Dataset, datasets, read
from dropless.lake.merge import Merge

CONTRACT = parse_contract(ORDERS_FILE)
SHIPPED = {each.name: each for each in datasets(CONTRACT, ORDERS_FILE.parent)}


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderLake:
    def find(store: Any, name: str) -> Entry:
        # The catalogue lists an object store.
        return Entry(name, name, changes=f"{name}_changes" if name == "orders" else None)

    monkeypatch.setattr(catalogue, "find", find)
    return FolderLake(tmp_path)


def order(key: int, position: int, month: int = 1, *, deleted: bool = False, **more: Any) -> dict[str, Any]:
    return change(key, position, deleted=deleted) | {"placed_at": datetime(2026, month, 3, 4, tzinfo=UTC)} | more


def merged(lake: FolderLake, *rows: dict[str, Any]) -> None:
    lake.append(rows)
    Merge(lake.store, lake.table).run()


def rows(lake: FolderLake, dataset: Dataset) -> list[dict[str, Any]]:
    return DeltaTable(lake.store.uri(dataset.folder)).to_pyarrow_table().to_pylist()


def test_three_are_shipped_and_each_column_is_described(lake: FolderLake):
    assert set(SHIPPED) == {"daily_sales", "customers", "order_funnel"}
    merged(lake, order(1, 1, currency="EUR", customer_id="a"))
    for dataset in SHIPPED.values():
        built = build(lake.store, dataset)
        assert built.schema.names == list(dataset.header.columns), dataset.name
        assert set(built.broken.values()) == {0}


def test_daily_sales_are_what_the_orders_say(lake: FolderLake):
    merged(
        lake,
        *(
            order(key, key + 1, 1 + key % 3, currency="EUR" if key % 2 else "USD", item_count=2)
            | {"status": "cancelled" if key % 5 == 0 else "paid"}
            for key in range(60)
        ),
    )
    build(lake.store, SHIPPED["daily_sales"])
    expected: dict[tuple[date, str], list[Any]] = defaultdict(lambda: [0, 0, 0, Decimal(0)])
    for key in range(60):
        found = expected[(date(2026, 1 + key % 3, 3), "EUR" if key % 2 else "USD")]
        found[0] += 1
        if key % 5 == 0:
            found[1] += 1
        else:
            found[2] += 2
            found[3] += Decimal(key + 1) / 100
    assert {
        (each["day"], each["currency"]): [each["orders"], each["cancelled"], each["items"], each["amount"]]
        for each in rows(lake, SHIPPED["daily_sales"])
    } == expected


def test_the_funnel_tells_counts_and_times(lake: FolderLake):
    stages = ("placed", "paid", "shipped", "delivered")
    changes = []
    for key in range(4):
        for number, status in enumerate(stages[: key + 1]):
            at = DAY_ONE + timedelta(hours=10 * number)
            changes.append(change(key, len(changes) + 1) | {"placed_at": DAY_ONE, "updated_at": at, "status": status})
    merged(lake, *changes)
    built = build(lake.store, SHIPPED["order_funnel"])
    [row] = rows(lake, SHIPPED["order_funnel"])
    assert [row[name] for name in stages] == [4, 3, 2, 1]
    assert (row["hours_to_paid"], row["hours_to_shipped"], row["hours_to_delivered"]) == (10, 20, 30)
    assert built.broken == {"one_row_per_month_and_source": 0, "a_funnel_narrows": 0}


def built_parts(lake: FolderLake, **how: Any) -> Sequence[str]:
    return build(lake.store, SHIPPED["daily_sales"], **how).parts


def test_only_the_parts_whose_rows_changed_are_built_anew(lake: FolderLake):
    merged(lake, order(1, 1, 1), order(2, 2, 2), order(3, 3, 3))
    assert built_parts(lake) == ("2026-01-01", "2026-02-01", "2026-03-01")
    version = DeltaTable(lake.store.uri("curated/daily_sales")).version()
    assert built_parts(lake) == ()
    assert DeltaTable(lake.store.uri("curated/daily_sales")).version() == version
    merged(lake, order(2, 12, 2))
    assert built_parts(lake) == ("2026-02-01",)
    # An order that moves changes the month that it leaves, too.
    merged(lake, order(3, 13, 4))
    assert built_parts(lake) == ("2026-03-01", "2026-04-01")
    assert sorted(str(each["month"]) for each in rows(lake, SHIPPED["daily_sales"])) == [
        "2026-01-01",
        "2026-02-01",
        "2026-04-01",
    ]
    merged(lake, order(1, 14, 1, deleted=True))
    assert built_parts(lake) == ("2026-01-01",)
    assert parts(lake.store, SHIPPED["daily_sales"]) == ["2026-02-01", "2026-04-01"]


def test_a_backfill_builds_the_parts_that_it_names(lake: FolderLake):
    merged(lake, order(1, 1, 1), order(2, 2, 2))
    build(lake.store, SHIPPED["daily_sales"])
    assert built_parts(lake, only=["2026-02-01"], changed=False) == ("2026-02-01",)
    merged(lake, order(1, 11, 1), order(2, 12, 2))
    assert built_parts(lake, only=["2026-02-01"]) == ("2026-02-01",)
    assert built_parts(lake) == ("2026-01-01",)


def test_other_sql_builds_all_parts_anew(lake: FolderLake):
    merged(lake, order(1, 1, 1), order(2, 2, 2))
    old = SHIPPED["daily_sales"]
    build(lake.store, old)
    new = Dataset(old.name, old.header, old.sql.replace("count(*) as orders,", "count(*) as orders, 1 as one,"))
    assert build(lake.store, new, ["2026-01-01"]).parts == ("2026-01-01", "2026-02-01")
    assert [each["one"] for each in rows(lake, new)] == [1, 1]


def test_two_builds_at_once_leave_the_newer_rows(lake: FolderLake, monkeypatch: pytest.MonkeyPatch):
    merged(lake, order(1, 1, 1))
    build(lake.store, SHIPPED["daily_sales"])
    merged(lake, order(1, 50, 1))
    write = curating._write
    late: list[Built] = []

    def slow(**arguments: Any) -> None:
        if not late:
            late.append(None)  # type: ignore[arg-type]
            merged(lake, order(1, 70, 1))
            late.append(build(lake.store, SHIPPED["daily_sales"]))
        write(**arguments)

    monkeypatch.setattr(curating, "_write", slow)
    build(lake.store, SHIPPED["daily_sales"])
    assert late[1].parts == ("2026-01-01",)
    assert [each["amount"] for each in rows(lake, SHIPPED["daily_sales"])] == [Decimal("0.70")]


PLOT = """/* {{description: x, tables: [orders],
columns: {{day: {{description: d}},
    buyer: {{description: d, of: [orders.customer_id]}}}},
plot: {{{}}}}} */ select 1"""


def dataset(folder: Path, text: str) -> Dataset:
    path = folder / "wrong.sql"
    path.write_text(text)
    return read(CONTRACT, path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("select 1", "must begin with a comment"),
        ("/* a: [ */ select 1", ":1: This is not YAML"),
        ("/*\n\ntables: [orders] */ select 1", ":3: The header needs `description`"),
        (
            "/* {description: x, tables: [orders], colour: red} */ select 1",
            "The header has no `colour` (did you mean 'columns'?); it has description",
        ),
        (
            "/* {description: x, tables: [odrers]} */ select 1",
            "`tables` (item 1) is 'odrers'; it may read orders and orders_changes",
        ),
        (
            "/* {description: x, tables: [orders], schedule: '@daily', partition: {column: updated_at}} */ select 1",
            "`column` is 'updated_at'; it must be a timestamp or date column of 'orders' that is never null",
        ),
        (
            "/* {description: x, tables: [orders], partition: {column: placed_at}} */ select 1",
            "`partition` needs a `schedule`",
        ),
        (
            "/* {description: x, tables: [orders_changes], partition: {column: placed_at}} */ select 1",
            "`partition` takes `tables: [orders]`",
        ),
        (
            "/* {description: x, tables: [orders], checks: [{name: a}]} */ select 1",
            "`checks` (item 1) 'a' must have exactly one",
        ),
        (PLOT.format("kind: pie, x: day"), ":4: `plot`, `kind` is 'pie'; it must be 'line' or 'bar'."),
        (PLOT.format("kind: bar"), ":4: `plot` needs `x`."),
        (PLOT.format("kind: bar, x: day, z: day"), "`plot` has no `z`; it has kind, x, y, by, aggregate."),
        (PLOT.format("kind: bar, x: dya"), "`x` is 'dya', which `columns` does not describe (did you mean 'day'?)"),
        (PLOT.format("kind: bar, x: day, y: [day, dya]"), ":4: `plot`, `y` (item 2) is 'dya'"),
        (PLOT.format("kind: bar, x: day, y: [day, day], by: day"), "`plot`, `by` is one column too many"),
        (PLOT.format("kind: bar, x: day, aggregate: max"), "`plot`, `aggregate` is 'max' of nothing"),
        (PLOT.format("kind: bar, x: day, by: buyer"), "`plot`, `by` is 'buyer', which tells of a person"),
    ],
)
def test_a_mistake_in_a_header_is_one_sentence(tmp_path: Path, text: str, sentence: str):
    with pytest.raises(DroplessError, match=r"wrong\.sql:\d+: ") as raised:
        dataset(tmp_path, text)
    assert sentence in str(raised.value)


def test_a_broken_check_is_counted(lake: FolderLake, tmp_path: Path):
    merged(lake, order(1, 1), order(2, 2))
    header = (
        "{description: x, tables: [orders], checks: [{name: a, unique: [status]}, {name: b, none: amount > 0}, "
        "{name: c, at_least: 5}]}"
    )
    built = build(lake.store, dataset(tmp_path, f"/* {header} */ select status, amount from orders"))
    assert built.broken == {"a": 1, "b": 2, "c": 3}


def test_wrong_sql_is_one_sentence(lake: FolderLake, tmp_path: Path):
    merged(lake, order(1, 1))
    with pytest.raises(DroplessError, match="amuont"):
        build(lake.store, dataset(tmp_path, "/* {description: x, tables: [orders]} */ select amuont from orders"))
    header = 'description: x, tables: [orders], schedule: "@daily", partition: {column: placed_at}'
    cut = f"/* {{{header}}} */ select amount from orders"
    with pytest.raises(DroplessError, match="must return a date column `month`"):
        build(lake.store, dataset(tmp_path, cut))
