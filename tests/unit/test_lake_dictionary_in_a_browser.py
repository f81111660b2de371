"""The dictionary as a data scientist reads it: in a browser, from a file, with nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import opened
from contracts import ORDERS_FILE
from playwright.sync_api import Page

from dropless.contract import parse_contract
from dropless.lake.dataset import datasets
from dropless.lake.dictionary import described, html
from dropless.lake.schema import SYSTEM, comment

CONTRACT = parse_contract(ORDERS_FILE)
DATASETS = datasets(CONTRACT, ORDERS_FILE.parent)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    file = tmp_path / "dictionary.html"
    file.write_text(html(described(CONTRACT, DATASETS)))
    with opened(file.as_uri()) as shown:
        yield shown


def meanings(page: Page, table: str) -> dict[str, str]:
    """What can be seen of a table: by column the text of `meaning`."""
    rows = page.locator(f"section[id='{table}'] tbody tr")
    seen = [row for row in rows.all() if row.is_visible()]
    return {row.locator("td").nth(0).inner_text(): row.locator("td").nth(3).inner_text() for row in seen}


def test_each_columns_meaning_is_read(page: Page):
    own = {column.name: column.description for column in CONTRACT.columns}
    system = {field.name: comment(field) for field in SYSTEM}
    for table in ("orders", "orders_changes"):
        read = meanings(page, table)
        assert read.keys() - {"_committed_on"} == own.keys() | system.keys()
        for name, meaning in (own | system).items():
            assert meaning
            assert read[name].startswith(meaning), name
    for dataset in DATASETS:
        told = {name: column.description for name, column in dataset.header.columns.items()}
        assert {name: text.removesuffix(" personal") for name, text in meanings(page, dataset.folder).items()} == told


def test_a_column_is_found_by_typing(page: Page):
    page.get_by_label("Find a column").fill("currency")
    found = {name for table in ("orders", "curated/customers") for name in meanings(page, table)}
    assert "currency" in found
    assert "status" not in found
    page.get_by_label("Find a column").fill("hours_to_paid")
    assert [each.get_attribute("id") for each in page.locator("section").all() if each.is_visible()] == [
        "curated/order_funnel"
    ]


def test_a_link_leads_to_its_table(page: Page):
    page.get_by_role("link", name="curated/customers").click()
    assert page.url.endswith("#curated/customers")
    assert page.locator("section[id='curated/customers'] h2").is_visible()
