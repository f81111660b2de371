"""Servers of one's own in a temporary folder: three brokers and a controller, or an object store, and nothing else."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dropless import passwords
from dropless.desired.storage import buckets, s3_users
from dropless.endpoints import Endpoints
from dropless.settings import Settings, Topology
from local_stack.install import install
from resources.adapters import adapters
from resources.platform import LocalPlatform
from resources.provisioning import provision

HEALTHY_SECONDS: Final = 240.0
FIRST_PORT: Final = "29000"


@contextmanager
def own_kafka(tell: Callable[[str], None], port_base: str = "") -> Iterator[Settings]:
    """Three brokers and a controller; see `_own`."""
    with _own("kafka", "starting three brokers", tell, port_base) as settings:
        yield settings


@contextmanager
def own_minio(tell: Callable[[str], None], port_base: str = "") -> Iterator[Settings]:
    """An object store with the lake's bucket and users; see `_own`."""
    with _own("minio", "starting an object store", tell, port_base) as settings:
        endpoints = Endpoints.local(settings)
        provision([*buckets(), *s3_users()], adapters(endpoints))
        yield settings


@contextmanager
def _own(system: str, doing: str, tell: Callable[[str], None], port_base: str) -> Iterator[Settings]:
    """Start a system, and leave nothing behind, on Ctrl-C neither.

    The folder goes below DROPLESS_BENCH_FOLDER; the ports begin at `port_base`, or at DROPLESS_BENCH_PORT_BASE.
    """
    # Below the state's folder, so that it is the disk that a real installation writes to.
    parent = Path(os.environ.get("DROPLESS_BENCH_FOLDER") or Settings.load().state.parent)
    folder = Path(tempfile.mkdtemp(prefix="dropless-bench-", dir=parent))
    environment = {
        "DROPLESS_STATE": str(folder / "s"),
        "DROPLESS_PORT_BASE": port_base or os.environ.get("DROPLESS_BENCH_PORT_BASE", FIRST_PORT),
        "DROPLESS_TOPOLOGY": Topology.COMPACT.value,
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    settings = Settings.load()
    platform = LocalPlatform(settings)
    try:
        tell(doing)
        install(settings)
        for each in (settings.config, settings.data, settings.logs):
            each.mkdir(parents=True)
        passwords.ensure(settings.secrets)
        settings.port_base_file.write_text(str(settings.port_base))
        platform.supervisor.start()
        platform.start(system)
        platform.wait_healthy(system, HEALTHY_SECONDS)
        yield settings
    finally:
        tell("stopping")
        platform.shut_down()
        shutil.rmtree(folder)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
