"""Plots of curated datasets: few points, the right ones, and a picture that a page can show."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from duckdb import DuckDBPyConnection
from PIL import Image

from dropless.errors import DroplessError
from dropless.lake import picture
from dropless.lake.engine import connect
from dropless.lake.header import Plot
from dropless.lake.plotting import MOST_NAMES, MOST_PLACES, MOST_SERIES, OTHERS, Points, points


@pytest.fixture
def database() -> Iterator[DuckDBPyConnection]:
    with connect() as made:
        yield made


def plotted(database: DuckDBPyConnection, select: str, **how: Any) -> Points:
    database.execute(f"create or replace temp table result as {select}")
    return points(database, "sales", "result", Plot(**how))


def shown(found: Points) -> dict[str, dict[Any, float]]:
    return {each.name: dict(zip(each.x, each.y, strict=True)) for each in found.series}


SALES = """
    select * from (values (date '2026-01-01', 'store', 2, 5.50::decimal(38, 2)), ('2026-01-01', 'web', 3, 1),
    ('2026-01-02', 'store', 4, 2), ('2026-01-02', 'store', 6, null),
    (null, 'web', 9, 9)) as sales(day, shop, orders, amount)
"""
ONE, TWO = datetime(2026, 1, 1), datetime(2026, 1, 2)  # noqa: DTZ001 - days have no zone


def test_rows_of_one_place_are_summed_and_told_apart(database: DuckDBPyConnection):
    found = plotted(database, SALES, kind="line", x="day", y="orders", by="shop")
    assert shown(found) == {"store": {ONE: 2, TWO: 10}, "web": {ONE: 3}}
    assert (found.axis, found.x, found.y) == ("time", "day", "orders")


def test_rows_are_counted_averaged_and_compared_by_several_columns(database: DuckDBPyConnection):
    assert shown(plotted(database, SALES, kind="bar", x="shop")) == {"": {"store": 3, "web": 2}}
    mean = plotted(database, SALES, kind="bar", x="shop", y="amount", aggregate="mean")
    assert shown(mean) == {"": {"store": 3.75, "web": 5}}
    assert mean.y == "mean of amount"
    both = shown(plotted(database, SALES, kind="bar", x="shop", y=["orders", "amount"]))
    assert both == {"orders": {"store": 12, "web": 12}, "amount": {"store": 7.5, "web": 10}}


def test_what_has_no_number_yet_has_no_point(database: DuckDBPyConnection):
    select = "select 'a' as shop, null::double as hours union all select 'b', 2"
    assert shown(plotted(database, select, kind="bar", x="shop", y="hours")) == {"": {"b": 2}}


def test_points_stay_few_and_nothing_is_left_out_of_a_sum(database: DuckDBPyConnection):
    many = """
        select (date '2020-01-01' + (n % 1500)::int)::timestamptz as day, n as number, 'name ' || n % 400 as name,
        case when n % 2 = 0 then 1000 else 1 end as size from range(30000) rows(n)
    """
    for x in ("day", "number", "name"):
        found = plotted(database, many, kind="line", x=x, by="name", y="size")
        assert len(found.series) == MOST_SERIES
        assert max(len(each.x) for each in found.series) <= (MOST_NAMES if x == "name" else MOST_PLACES)
        assert sum(map(sum, shown_values(found))) == 15_000 * 1001
        assert OTHERS in [each.name for each in found.series]
    assert plotted(database, many, kind="line", x="day").x == "day, by month"
    assert plotted(database, many, kind="bar", x="number").x == "number, in steps of 1000"


def shown_values(found: Points) -> list[tuple[float, ...]]:
    return [each.y for each in found.series]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"x": "dya"}, "'sales' cannot be plotted: its SQL has no column 'dya' .did you mean 'day'"),
        ({"x": "day", "y": "shop"}, "its column 'shop' is VARCHAR, and `y` takes numbers"),
    ],
)
def test_a_plot_that_the_result_does_not_fit_is_one_sentence(database: DuckDBPyConnection, how: Any, sentence: str):
    with pytest.raises(DroplessError, match=sentence):
        plotted(database, SALES, kind="bar", **how)


@pytest.mark.parametrize("select", [SALES, f"select * from ({SALES}) where orders < 0"], ids=["rows", "none"])
@pytest.mark.parametrize("kind", ["line", "bar"])
@pytest.mark.parametrize("x", ["day", "shop", "orders"])
def test_a_picture_is_small_and_can_be_read(database: DuckDBPyConnection, kind: Any, x: str, select: str):
    found = plotted(database, select, kind=kind, x=x, y="amount", by="shop")
    text = picture.markdown(found, "sales")
    before, data = text.removesuffix(")").split("base64,")
    assert before == f"![sales: amount by {x}](data:image/png;"
    raw = base64.b64decode(data)
    assert len(raw) < 60_000
    with Image.open(io.BytesIO(raw)) as image:
        assert image.size == (648, 288)
        colours = image.convert("RGB").getcolors(100_000)
    # Else the axes are empty: the first line or bar is blue.
    assert ((0x1F, 0x77, 0xB4) in {colour for _, colour in colours}) is (select is SALES)


def test_a_name_from_the_data_is_neither_formula_nor_markup(database: DuckDBPyConnection):
    select = """select '$\\frac{$' as shop, 1 as orders union all select '_hidden](x)', 2"""
    found = plotted(database, select, kind="bar", x="shop", by="shop", y="orders")
    text = picture.markdown(found, "a](javascript:alert(1))")
    assert text.startswith("![ajavascript:alert1: orders by shop](data:image/png;base64,")
    assert text.count("](") == 1
