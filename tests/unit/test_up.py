"""What `dropless up` and `dropless down` refuse before they touch anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dropless.cli import up as command
from dropless.errors import DroplessError
from dropless.settings import Settings, Topology


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DROPLESS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("DROPLESS_CACHE", str(tmp_path / "cache"))
    for name in ("DROPLESS_PORT_BASE", "DROPLESS_TOPOLOGY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "state"


def made(state: Path, topology: str = "compact", port_base: int = 17000) -> None:
    state.mkdir()
    (state / "topology").write_text(topology)
    (state / "port_base").write_text(str(port_base))


def test_the_saved_topology_and_ports_are_kept(state: Path) -> None:
    made(state, "full", 18000)
    settings = Settings.load()
    assert (settings.topology, settings.port_base) == (Topology.FULL, 18000)


def test_another_topology_is_refused(state: Path) -> None:
    made(state)
    with pytest.raises(DroplessError, match="was made with the topology compact, not full: run `dropless down --wipe`"):
        command.up(topology=Topology.FULL)


def test_other_ports_are_refused(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(state)
    monkeypatch.setenv("DROPLESS_PORT_BASE", "18000")
    with pytest.raises(DroplessError, match="was made with the first port 17000, not 18000"):
        command.up()


@pytest.mark.parametrize("doing", [command.up, lambda: command.down(wipe=True)], ids=["up", "wipe"])
def test_a_folder_of_someone_else_is_not_touched(state: Path, doing: Callable[[], None]) -> None:
    state.mkdir()
    (state / "thesis.tex").write_text("years of work")
    with pytest.raises(DroplessError, match="is not empty and holds no Dropless installation"):
        doing()
    assert (state / "thesis.tex").exists()


def test_down_without_anything_running_is_fine_twice(state: Path) -> None:
    made(state)
    command.down(wipe=True)
    command.down(wipe=True)
    assert not state.exists()
