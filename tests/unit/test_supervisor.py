"""A real supervisord in a state folder of its own."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from dropless.settings import PROJECT, Settings, Topology
from local_stack import leftovers, supervisor
from local_stack.process import Process
from local_stack.supervisor import Supervisor

SLEEPER = Process(
    "test", "sleeper", (sys.executable, "-c", "import time; print('100% up', flush=True); time.sleep(600)")
)


@pytest.fixture
def settings() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        found = Settings(state, state / "cache", PROJECT / "pipeline_assets" / "defs", 17000, Topology.COMPACT)
        yield found
        leftovers.end_all(found, 10)


@pytest.fixture
def running(settings: Settings) -> Supervisor:
    found = Supervisor(settings)
    assert not found.running()
    found.start()
    return found


def wait_for(condition: object) -> None:
    Retrying(retry=retry_if_result(lambda seen: not seen), stop=stop_after_delay(20), wait=wait_fixed(0.1))(condition)


def test_a_killed_process_comes_back(running: Supervisor, settings: Settings) -> None:
    running.put(replace(SLEEPER, directory=settings.state), 1)
    running.start_program("sleeper")
    wait_for(lambda: running.processes()["sleeper"].state == "RUNNING")
    before = running.processes()["sleeper"].pid
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: running.processes()["sleeper"].pid not in (0, before))
    assert "100% up" in supervisor.log_file(settings, "sleeper").read_text()


def test_a_changed_program_is_known_anew(running: Supervisor, settings: Settings) -> None:
    for environment in ({"A": "1"}, {"A": "2%"}):
        changed = replace(SLEEPER, environment=environment, directory=settings.state)
        running.put(changed, 1)
        running.start_program("sleeper")
        wait_for(lambda: running.processes()["sleeper"].state == "RUNNING")
        found = psutil.Process(running.processes()["sleeper"].pid).environ()
        assert found["A"] == environment["A"]
        assert found[supervisor.COMMAND_MARK] == changed.command_digest


def test_what_a_killed_supervisord_leaves_is_found_and_ended(running: Supervisor, settings: Settings) -> None:
    running.put(replace(SLEEPER, directory=settings.state), 1)
    running.start_program("sleeper")
    wait_for(lambda: running.processes()["sleeper"].pid)
    sleeper = running.processes()["sleeper"].pid
    os.kill(int(running.pid_file.read_text()), signal.SIGKILL)
    wait_for(lambda: not running.running())
    assert [each.pid for each in leftovers.marked(settings)] == [sleeper]
    assert leftovers.end_all(settings, 10) == 1
    assert leftovers.marked(settings) == []
