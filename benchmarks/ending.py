"""Processes that end with the block that uses them, whatever happens in it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

STOP_SECONDS = 30.0

Processes = Sequence[subprocess.Popen[bytes]]


@contextmanager
def ended(processes: Processes) -> Iterator[Processes]:
    """Tell the processes to stop at the block's end; kill them when they do not, or when the block fails."""
    try:
        yield processes
        for each in processes:
            each.send_signal(signal.SIGTERM)
        for each in processes:
            each.wait(STOP_SECONDS)
    finally:
        for each in processes:
            if each.poll() is None:
                each.kill()
                each.wait()
