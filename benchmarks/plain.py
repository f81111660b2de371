"""The union without transactions as a competitor."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.lab import Lab
from dropless.settings import PROJECT


def start(lab: Lab) -> subprocess.Popen[bytes]:
    """The union's loop with an idempotent producer."""
    return lab.start(
        "plain", sys.executable, "-m", "benchmarks.plain_worker", "--table", lab.table,
        environment=lab.environment | {"PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
