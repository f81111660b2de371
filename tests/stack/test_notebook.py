"""The example notebook, executed as a data scientist would, against the stack with its example."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.lake.merge import Merge
from dropless.lake.published import after_merge
from dropless.lake.store import Store
from dropless.settings import PROJECT, Settings

NOTEBOOK = PROJECT / "examples" / "yesterdays_orders.ipynb"


@pytest.mark.timeout(480)
def test_the_example_notebook_runs_and_plots(settings: Settings, endpoints: Endpoints, tmp_path: Path):
    contract = declared(settings, "orders")
    store = Store.pipeline(endpoints)
    Merge(store, contract.name, contract.description).run()
    after_merge(settings, store, contract)
    book = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    nbformat.write(book, tmp_path / "executed.ipynb")
    shown = [output for cell in book.cells for output in cell.get("outputs", [])]
    printed = next(each["text"] for each in shown if each["output_type"] == "stream" and "orders on" in each["text"])
    assert int(printed.split()[0]) > 0
    plots = [each for each in shown if "image/png" in each.get("data", {})]
    assert len(plots) == 2
    meanings = next(
        each["data"]["text/html"] for each in shown if "placed_at" in str(each) and "text/html" in str(each)
    )
    assert contract.column("placed_at").description in meanings
    assert "customer_id" not in str(shown)


def test_the_notebook_is_kept_without_outputs():
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(book)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in book.cells)
