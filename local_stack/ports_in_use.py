"""Whether the ports that we need are free, told before anything is started."""

from __future__ import annotations

import socket
from collections.abc import Iterable

import psutil

from dropless.errors import DroplessError
from dropless.settings import LOOPBACK, Settings
from local_stack.process import Process


def check(processes: Iterable[Process], settings: Settings) -> None:
    """See that every port of these processes, which don't run yet, is free.

    Raises:
        DroplessError: one is taken; the sentence says by whom and what to do.
    """
    for process in processes:
        for purpose, port in process.ports.items():
            if not free(port):
                raise DroplessError(
                    f"Port {port}, which {purpose} needs, is in use{_holder(port)}: stop that, or choose other "
                    f"ports with `DROPLESS_PORT_BASE={_other(settings.port_base)} dropless up` "
                    f"(the first port; it is {settings.port_base} now)."
                )


def free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: connections that linger after their server has ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    try:
        found = [each for each in psutil.net_connections("tcp") if each.laddr and each.laddr[1] == port and each.pid]
        return f" by {psutil.Process(found[0].pid).name()} (pid {found[0].pid})" if found else ""
    except psutil.Error:
        return ""


def _other(base: int) -> int:
    return base + 1000 if base <= 64000 else base - 1000
