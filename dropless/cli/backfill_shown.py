"""How far a backfill is: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from dropless.backfill.signals import Note
from resources.backfill import Step

LINE_SECONDS: Final = 10.0
_WORDS: Final = {Note.BEGUN: "reading", Note.RESUMED: "reading", Note.PAUSED: "paused", Note.STOPPING: "stopping"}


class Shown:
    """The newest step of every source, shown as it comes, whichever thread tells it."""

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False)
        columns = (
            *(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()),
            *(MofNCompleteColumn(), TimeRemainingColumn()),
        )
        self._live = console.is_terminal
        self.bars = Progress(*columns, console=console, transient=True, disable=not self._live)
        self.steps: dict[str, Step] = {}
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, float] = {}
        self._guard = threading.Lock()

    def __call__(self, step: Step) -> None:
        """One source has advanced."""
        with self._guard:
            self.steps[step.source] = step
            name = f"{step.source}: {_WORDS.get(step.note, step.note.value)}"
            if self._live:
                if step.source not in self._tasks:
                    self._tasks[step.source] = self.bars.add_task(name)
                done = step.rows if step.note is Note.COMPLETED else min(step.done, step.rows)
                self.bars.update(self._tasks[step.source], description=name, completed=done, total=step.rows)
            elif time.monotonic() - self._told.get(step.source, -LINE_SECONDS) >= LINE_SECONDS:
                self._told[step.source] = time.monotonic()
                print(f"{name}, {step.done:,} of {step.rows:,} rows", file=sys.stderr, flush=True)
