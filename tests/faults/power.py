"""The loss of power for brokers: they end at once, and what was not on the disk is gone.

A killed process alone loses nothing, since the page cache stays.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dropless.settings import Settings
from resources.platform import LocalPlatform
from resources.waiting import until

Survives = Callable[[Path], int]
"""How many bytes at the beginning of a log segment survive."""


class Power:
    """Cut and restored for brokers of the stack; supervisord does not start them in between."""

    def __init__(self, settings: Settings) -> None:
        self._platform = LocalPlatform(settings)

    @contextmanager
    def off(self, brokers: tuple[int, ...], survives: Survives, about: str, *, only: bool) -> Iterator[dict[str, int]]:
        """Stop them between two instructions, drop what does not survive, and start them again after the block.

        They are stopped at a moment when topics named `about...` have something to lose; all topics lose it, or these
        alone. Gives the bytes that each partition's folder lost, of all these brokers together.
        """
        names = [f"kafka-broker-{broker}" for broker in brokers]
        pids = [each.pid for each in self._platform.status() if each.name in names]
        folders = [each.directory / "log" for each in self._platform.processes if each.name in names]
        sizes = _suspend(pids, folders, survives, about)
        for name in names:
            # So that supervisord does not start it again; it is suspended and cannot answer the signal.
            self._platform.supervisor.stop(name, wait=False)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until("The end of the brokers", lambda: self._running(names), 30)
        try:
            yield _drop({file: size for file, size in sizes.items() if not only or about in file.parent.name})
        finally:
            for name in names:
                self._platform.supervisor.start_program(name)

    def _running(self, names: list[str]) -> str | None:
        left = [each.name for each in self._platform.status() if each.name in names and each.pid]
        return f"{', '.join(left)} still ran." if left else None


def _suspend(pids: list[int], folders: list[Path], survives: Survives, about: str) -> dict[Path, int]:
    """What survives of each segment, asked at once, since the kernel goes on writing."""
    deadline = time.monotonic() + 30
    while True:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        # The cluster's metadata is the controllers'; a broker's copy of it is read again.
        segments = [file for log in folders for file in log.glob("*/*.log") if "__cluster" not in file.parent.name]
        sizes = {file: survives(file) for file in segments}
        if any(size < file.stat().st_size for file, size in sizes.items() if about in file.parent.name):
            return sizes
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        assert time.monotonic() < deadline, "everything is on the disk all the time: is anything written?"
        time.sleep(0.02)


def _drop(sizes: dict[Path, int]) -> dict[str, int]:
    lost: dict[str, int] = {}
    for file, size in sizes.items():
        lost[file.parent.name] = lost.get(file.parent.name, 0) + file.stat().st_size - size
        os.truncate(file, size)
        # Written through a memory map and never waited for; a broker makes them anew from the log.
        for index in (".index", ".timeindex", ".txnindex"):
            file.with_suffix(index).unlink(missing_ok=True)
    return {folder: count for folder, count in lost.items() if count}
