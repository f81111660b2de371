"""The dictionary has every table and column, for a browser and for a reader of text."""

from __future__ import annotations

from html.parser import HTMLParser

import pyarrow as pa
from contracts import ORDERS_FILE

from dropless.contract import parse_contract
from dropless.lake.dataset import datasets
from dropless.lake.dictionary import described, html, markdown
from dropless.lake.schema import changes_schema

CONTRACT = parse_contract(ORDERS_FILE)
DATASETS = datasets(CONTRACT, ORDERS_FILE.parent)
TABLES = described(CONTRACT, DATASETS, {"curated/daily_sales": pa.schema([("day", pa.date32())])})


class Page(HTMLParser):
    """The page's text by table, and what it would fetch from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.section = ""
        self.texts: dict[str, list[str]] = {}
        self.elsewhere: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "section":
            self.section = told["id"] or ""
        self.elsewhere += [value for name in ("src", "href") if (value := told.get(name)) and value[0] != "#"]

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.section, []).append(data.strip())


def test_every_table_and_column_is_told_with_its_meaning():
    page = Page(html(TABLES))
    assert set(page.texts) - {""} == {
        "orders",
        "orders_changes",
        "curated/customers",
        "curated/daily_sales",
        "curated/order_funnel",
    }
    for field in changes_schema(CONTRACT):
        assert field.name in page.texts["orders_changes"]
        meaning = field.metadata[b"comment"].decode()
        assert any(text.startswith(meaning) for text in page.texts["orders_changes"]), field.name
        assert f"| `{field.name}` |" in markdown(TABLES)
    for dataset in DATASETS:
        for name, column in dataset.header.columns.items():
            if dataset.name != "daily_sales":
                assert name in page.texts[dataset.folder]
                assert column.description in page.texts[dataset.folder]


def test_the_page_needs_nothing_else():
    assert Page(html(TABLES)).elsewhere == []


def test_types_origins_and_allowed_values_are_told():
    amount = next(each for each in TABLES[0].columns if each.name == "amount")
    assert amount.type == "decimal128(18, 2)"
    assert amount.origins == ("store: total_cents / 100", "webshop: total", "marketplace: total.value")
    assert "One of: placed, paid, shipped, delivered, cancelled." in html(TABLES)


def test_personal_columns_are_marked():
    marked = {table.name: {each.name for each in table.columns if each.personal} for table in TABLES}
    assert marked == {
        "orders": {"customer_id"},
        "orders_changes": {"customer_id"},
        "curated/customers": {"customer_id"},
        "curated/daily_sales": set(),
        "curated/order_funnel": set(),
    }


def test_a_description_is_text_and_no_markup():
    nasty = CONTRACT.model_copy(
        update={"description": "<script>alert(1)</script> | a\nb", "columns": CONTRACT.columns[:1]}
    )
    tables = described(nasty, [])
    assert "<script>alert" not in html(tables)
    assert "<script>" not in markdown(tables)
    assert r"\| a b" in markdown(tables)
