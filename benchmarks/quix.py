"""Quix Streams as a competitor: its environment, its process, and whether its rows are the union's."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.lab import Lab, Partition
from dropless.settings import PROJECT
from local_stack import cache, toolchain
from local_stack.versions import QUIXSTREAMS
from resources.committed import CommittedReader

# As many as the union takes at most, at least once a second; other values were not tried.
COMMIT_EVERY: Final = 10_000
COMMIT_SECONDS: Final = 1.0


def install(home: Path) -> None:
    """Make its environment in the cache, if it is not there."""
    with cache.exclusive(home / ".lock", "installation of Dropless"):
        toolchain.packages(QUIXSTREAMS, home)


def start(lab: Lab) -> subprocess.Popen[bytes]:
    """The same union in Quix Streams."""
    python = toolchain.packages_folder(QUIXSTREAMS, lab.settings.cache) / "bin" / "python"
    return lab.start(
        "quix", str(python), "-m", "benchmarks.quix_union", "--table", lab.table, "--state", str(lab.folder / "quix"),
        "--commit-every", str(COMMIT_EVERY), "--commit-seconds", str(COMMIT_SECONDS),
        environment=lab.environment | {"PYTHONPATH": str(PROJECT)},
    )  # fmt: skip


def setup(records: int) -> dict[str, object]:
    """What it is measured with."""
    return {"Quix Streams": QUIXSTREAMS.version, "raw records a run of Quix Streams": records,
            "its commits": {"every": COMMIT_EVERY, "seconds": COMMIT_SECONDS}}  # fmt: skip


_MODULUS: Final = 2**256


def digest(lab: Lab, ranges: Mapping[Partition, tuple[int, int]]) -> tuple[int, int]:
    """How many rows there are, and the sum of their hashes, which no order changes.

    A partition's number is hashed with its rows: a key in another partition is another row.
    """
    count = total = 0
    for message in CommittedReader(lab.endpoints, f"digest.{lab.table}").read(ranges):
        hashed = hashlib.sha256(b"%d|%b|%b" % (message.partition() or 0, message.key() or b"", message.value() or b""))
        total = (total + int.from_bytes(hashed.digest())) % _MODULUS
        count += 1
    return count, total
