"""Dagster's own command line accepts the project, and tells a contract's mistakes to a person."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from dropless.settings import PROJECT
from pipeline_assets.components import UnifiedTable

ORDERS = PROJECT / "pipeline_assets" / "defs" / "orders" / "defs.yaml"


def dg(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "dg"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=os.environ | environment,
    )


def test_the_project_s_definitions_and_yaml_pass() -> None:
    done = dg("check", "defs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All component YAML validated successfully" in done.stdout
    assert "All definitions loaded successfully" in done.stdout


def test_a_mistake_reaches_the_person_who_checks(tmp_path: Path) -> None:
    broken = tmp_path / "orders" / "defs.yaml"
    broken.parent.mkdir()
    broken.write_text(ORDERS.read_text().replace("N: placed", "N: plaaced"))
    line = next(number for number, text in enumerate(broken.read_text().splitlines(), 1) if "plaaced" in text)
    done = dg("check", "defs", DROPLESS_CONTRACTS=str(tmp_path))
    assert done.returncode == 1
    assert f"{broken}:{line}: " in done.stdout + done.stderr
    assert "did you mean 'placed'?" in done.stdout + done.stderr


@pytest.fixture
def schema() -> Draft202012Validator:
    model = UnifiedTable.get_model_cls()
    return Draft202012Validator(model.model_json_schema())


def attributes(text: str) -> object:
    return yaml.safe_load(text)["attributes"]


def test_editors_accept_what_the_contract_accepts(schema: Draft202012Validator) -> None:
    assert [error.message for error in schema.iter_errors(attributes(ORDERS.read_text()))] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("type: long", "type: number"),
        ("decimal(18,2)", "decimal(18)"),
        ("time_column:", "clock_column:"),
        ("divide: 100", "multiply: 100"),
    ],
)
def test_editors_refuse_what_the_contract_refuses(schema: Draft202012Validator, right: str, wrong: str) -> None:
    text = ORDERS.read_text()
    assert right in text
    assert list(schema.iter_errors(attributes(text.replace(right, wrong))))
