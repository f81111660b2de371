"""The status of an installation of which nothing runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dropless.cli import build


def test_where_nothing_runs_status_says_so_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DROPLESS_STATE", str(tmp_path / "none"))
    monkeypatch.setenv("DROPLESS_PORT_BASE", "39000")
    began = time.monotonic()
    told = CliRunner().invoke(build(["status"]), ["status", "--json"])
    assert time.monotonic() - began < 20
    assert told.exit_code == 1
    document = json.loads(told.stdout)
    assert document["healthy"] is False
    assert not any(system["healthy"] for system in document["systems"].values())
    assert document["rows"] == {"orders": {"pinot": None, "lake_changes": None}}
    assert document["freshness_seconds"] == {"orders": None}
    assert document["dead_letters"] == {"orders": None}
    assert document["lag"] == {"orders": {"union": None, "pinot": None, "lake": None}}
    assert document["resident_bytes"] == 0
    assert any("dropless up" in problem for problem in document["problems"])
    assert not (tmp_path / "none").exists()
