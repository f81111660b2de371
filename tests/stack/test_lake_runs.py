"""The lake's runs on the stack: nobody asks for them."""

from __future__ import annotations

import pytest
from browser import opened
from webserver import Webserver, eventually

from dropless import Lake
from dropless.contract import Contract
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.example import truth
from dropless.example.traffic import Load, play
from dropless.lake.store import Store
from dropless.reconciliation import newest
from dropless.settings import Settings

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def orders(settings: Settings) -> Contract:
    return declared(settings, "orders")


def merged(endpoints: Endpoints, orders: Contract) -> dict[str, newest.Row]:
    table = Lake(Store.reader(endpoints)).table("orders")
    if table.rows_if_known() is None:
        # Not merged yet: it would be computed from the changes.
        return {}
    return newest.as_rows(table.to_arrow(["_key", *(column.name for column in orders.columns)]))


def test_a_change_is_in_the_merged_table_within_two_minutes(endpoints: Endpoints, orders: Contract):
    assert play(endpoints, Load(50, 3.0, seed=11)).changes > 100
    expected = truth.read(endpoints)
    eventually(lambda: not list(newest.differences(expected, merged(endpoints, orders))) or None, 120)


def test_the_tables_are_tidied_and_told(web: Webserver, endpoints: Endpoints):
    for job, asset in (("lake_compaction", "lake_compaction"), ("lake_cleaning", "lake_cleaning")):
        run = web.run(job)
        assert run.succeeded, run.failures
        told = web.materialization("orders", asset)
        assert told
        assert 0 < told["files"] < 50
        assert "| orders_changes |" in told["tables"]


def see_the_plot(endpoints: Endpoints, name: str) -> None:
    """Open a dataset's plot in Dagster, which shows of Markdown what it holds to be safe."""
    with opened(f"{endpoints.dagster}/assets/lake/curated/{name}?view=overview") as page:
        # It asks a new reader for an address first.
        page.add_locator_handler(page.get_by_role("button", name="Skip"), lambda skip: skip.click())
        row = page.locator("tr", has=page.get_by_text("plot", exact=True))
        row.get_by_text("[Show Markdown]").click(timeout=60_000)
        picture = page.get_by_role("img", name=name)
        picture.wait_for()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 400


def test_curated_datasets_are_built_and_checked(web: Webserver, endpoints: Endpoints):
    for name in ("customers", "order_funnel"):
        run = web.run(f"build_{name}")
        assert run.succeeded, run.failures
        told = web.materialization("lake", "curated", name)
        assert told
        assert told["dagster/row_count"] > 0
        assert "](data:image/png;base64," in told["plot"]
    see_the_plot(endpoints, "customers")
    checked = web.evaluation(("lake", "curated", "customers"), "one_row_per_customer_and_currency")
    assert checked is not None
    assert checked.status == "SUCCEEDED", checked.description
    lake = Lake(Store.reader(endpoints))
    [(orders, placed)] = (
        lake.sql(
            'select (select count(*) from orders where customer_id is not null), sum(orders) from "curated/customers"'
        )
        .duckdb()
        .fetchall()
    )
    assert placed <= orders
