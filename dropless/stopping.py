"""Hearing that the process is to stop, whatever its main thread is doing."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from typing import Final

STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


def on_stop(act: Callable[[str], None]) -> None:
    """Call `act` with the signal's name, in a thread of its own, at every SIGTERM and SIGINT.

    Python runs its signal handlers in the main thread between two of its own instructions: while that thread
    waits inside a library, such as in a call to librdkafka that does not return, it would hear nothing.
    Call it in the main thread.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    for number in STOPPING:
        # Its number is written to the socket by the handler that Python itself has in C.
        signal.signal(number, lambda _number, _frame: None)

    def listen() -> None:
        # It holds `told`, too, whose end must stay open as long as the process lives.
        with heard, told:
            while numbers := heard.recv(64):
                for number in numbers:
                    if number in STOPPING:
                        act(signal.Signals(number).name)

    threading.Thread(target=listen, name="signals", daemon=True).start()
