"""The union's processes, kept alive as a supervisor does it."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Mapping

from small_union import SmallUnion, eventually

from dropless.union.fault_points import FAULTS

JOIN_SECONDS = 90
STOP_SECONDS = 15
LOG_TAIL = 4000
JOINED = "partitions assigned"
TAKEN = "Another process runs as"
Worker = subprocess.Popen[bytes]


class Workers(threading.Thread):
    """One process for each slot, started again when it ends."""

    def __init__(self, union: SmallUnion, count: int) -> None:
        super().__init__(name="workers", daemon=True)
        self._union = union
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._processes: dict[int, Worker] = {}
        # What each slot's log said when its present process was started.
        self._joined: dict[int, int] = {}
        for slot in range(count):
            self.add(slot)

    def run(self) -> None:
        while not self._ended.wait(0.2):
            with self._lock:
                for slot, process in list(self._processes.items()):
                    if process.poll() is not None:
                        self._start(slot)

    def __getitem__(self, slot: int) -> Worker:
        return self._processes[slot]

    @property
    def slots(self) -> list[int]:
        return sorted(self._processes)

    def add(self, slot: int, environment: Mapping[str, str] | None = None) -> Worker:
        with self._lock:
            return self._start(slot, environment)

    def wait_until_joined(self, slot: int) -> None:
        eventually(lambda: self._said(JOINED, slot) > self._joined[slot], JOIN_SECONDS)

    def remove(self, slot: int) -> Worker:
        """Leave a process to itself, whatever it does."""
        with self._lock:
            return self._processes.pop(slot)

    def stop(self, slot: int) -> None:
        """Stop a process in good order, for good."""
        self.wait_until_joined(slot)
        process = self.remove(slot)
        process.terminate()
        code = process.wait(STOP_SECONDS)
        assert code == 0, f"slot {slot} ended with {code}:\n{self._union.log(f'union-{slot}')[-LOG_TAIL:]}"

    def die_at(self, slot: int, point: str) -> None:
        """Start a slot's process anew, and see it killed at a fault point."""
        self.stop(slot)
        process = self.add(slot, {FAULTS.variable: point})
        assert process.wait(JOIN_SECONDS) == -signal.SIGKILL, f"it was not killed {point}"

    def start_second(self, slot: int) -> Worker:
        """Another process for the same slot, by accident."""
        return self._union.worker(slot)

    def slots_taken(self, *slots: int) -> int:
        """How often a worker of one of these slots, or of any, has said that another has its slot."""
        return sum(self._said(TAKEN, slot) for slot in slots or self._joined)

    def finish(self) -> None:
        self._ended.set()
        self.join(10)
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(30)

    def _start(self, slot: int, environment: Mapping[str, str] | None = None) -> Worker:
        self._joined[slot] = self._said(JOINED, slot)
        self._processes[slot] = self._union.worker(slot, environment=environment)
        return self._processes[slot]

    def _said(self, words: str, slot: int) -> int:
        log = f"union-{slot}"
        return self._union.log(log).count(words) if (self._union.folder / f"{log}.log").exists() else 0
