"""The real stack for the tests that need it: started once, on its own ports and in its own state folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import DROPLESS

from benchmarks.stack import own_kafka
from dropless.cli.state_folder import claim
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from local_stack.servers import kafka

# What the tests' own modules assert is told as fully as what the tests assert.
pytest.register_assert_rewrite(
    *(
        each.stem
        for each in Path(__file__).parent.rglob("*.py")
        if not each.stem.startswith(("test_", "conftest")) and each.stem not in sys.modules
    )
)

PORT_BASE = os.environ.get("DROPLESS_TEST_PORT_BASE", "27000")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--running-stack",
        action="store_true",
        help="use the stack that the environment points to instead of starting one",
    )
    parser.addoption(
        "--only-kafka",
        action="store_true",
        help="start nothing but the brokers; for tests/faults/test_union_faults.py, which needs no more",
    )


@pytest.fixture(scope="session")
def settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    """A stack that is up, provisioned, and holds the example."""
    if request.config.getoption("--running-stack"):
        yield Settings.load()
        return
    if request.config.getoption("--only-kafka"):
        with own_kafka(print, port_base=PORT_BASE) as only_kafka:
            yield only_kafka
        return
    # Short, since unix sockets lie below it; searchable, since PostgreSQL may run as another user.
    folder = Path(tempfile.mkdtemp(prefix="dropless-"))
    folder.chmod(0o711)
    changed = {
        "DROPLESS_STATE": str(folder / "s"),
        "DROPLESS_PORT_BASE": PORT_BASE,
        "DROPLESS_TOPOLOGY": "compact",
        # Tests break things and look at them; those of repairs start them themselves.
        "DROPLESS_REPAIRS": "off",
        "DROPLESS_SCHEDULES": "off",
    }
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        _draw_awkward_cluster_id(Settings.load())
        subprocess.run([*DROPLESS, "up"], check=True, timeout=1800)
        yield Settings.load()
    finally:
        subprocess.run([*DROPLESS, "down", "--wipe"], check=True, timeout=300)
        folder.rmdir()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _draw_awkward_cluster_id(settings: Settings) -> None:
    # One in 64 begins with a hyphen, which a command line must not take for an option.
    claim(settings)
    settings.data.mkdir()
    kafka.cluster_id_file(settings).write_text("-Jdfy6nUSkyUWfr7JSqI5A")


@pytest.fixture(scope="session")
def endpoints(settings: Settings) -> Endpoints:
    """Where that stack answers."""
    return Endpoints.local(settings)
