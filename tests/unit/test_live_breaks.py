"""Every check is seen to fail somewhere, and every promise of the durability table on the running stack."""

from __future__ import annotations

import ast
import re

import pytest

from dropless.invariants import CLIENTS, CONNECTOR, GROUPS, INVARIANTS, PINOT, WORKERS
from dropless.settings import PROJECT
from pipeline_assets.definitions import definitions

ROW = re.compile(r"^\| `(?P<check>\w+)` \| [^|]+ \| `(?P<file>[\w/]+\.py)(?:::(?P<test>\w+))?` \|", re.MULTILINE)
PROMISES = {each.name for each in (*INVARIANTS, *GROUPS, CLIENTS, CONNECTOR, PINOT, WORKERS)}


def named() -> dict[str, tuple[str, str | None]]:
    """The table of docs/watching.md: by check, the file and the test that break it."""
    text = (PROJECT / "docs" / "watching.md").read_text()
    return {each["check"]: (each["file"], each["test"]) for each in ROW.finditer(text)}


def test_every_check_has_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DROPLESS_CONTRACTS", raising=False)
    keys = definitions().resolve_asset_graph().asset_check_keys
    # Those of curated datasets are the datasets' own.
    known = {key.name for key in keys if "curated" not in key.asset_key.path}
    assert known >= PROMISES
    assert named().keys() == known


@pytest.mark.parametrize("promise", sorted(PROMISES))
def test_every_promise_is_broken_on_the_running_stack(promise: str) -> None:
    file, test = named()[promise]
    assert file.startswith("tests/stack/")
    # The test's own words, and not only the table's, say that it is about this promise.
    found = [each for each in functions(file) if each.name == test]
    assert found, f"{file} has no test {test}"
    assert any(isinstance(each, ast.Constant) and each.value == promise for each in ast.walk(found[0]))


@pytest.mark.parametrize("check", sorted(named()))
def test_what_the_table_names_is_there(check: str) -> None:
    file, test = named()[check]
    assert test is None or test in [each.name for each in functions(file)]


def functions(file: str) -> list[ast.FunctionDef]:
    tree = ast.parse((PROJECT / file).read_text())
    return [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]
