"""Processes that are silent for a while, as a server on an overloaded machine is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil


@contextmanager
def suspended(*pids: int) -> Iterator[None]:
    processes = [psutil.Process(pid) for pid in pids]
    with ExitStack() as stack:
        for each in processes:
            each.suspend()
            stack.callback(each.resume)
        yield
