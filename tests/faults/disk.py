"""A disk that is full for some processes and for no others, without a file system of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def full(pids: Callable[[], Collection[int]]) -> Iterator[None]:
    """No file of these processes can grow, nor of those that are started in their place; 0 is none."""
    freed = threading.Event()

    def fill() -> None:
        while not freed.wait(0.05):
            _limit(pids(), 0)

    filler = threading.Thread(target=fill, name="disk", daemon=True)
    filler.start()
    try:
        yield
    finally:
        freed.set()
        filler.join()
        _limit(pids(), psutil.RLIM_INFINITY)


def _limit(pids: Collection[int], size: int) -> None:
    for pid in filter(None, pids):
        try:
            process = psutil.Process(pid)
            # Only the soft limit, which its owner may raise again.
            _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
            process.rlimit(psutil.RLIMIT_FSIZE, (size, hard))
        except psutil.NoSuchProcess:
            continue
