"""Progress of a long command: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Steps:
    """Steps that begin and end, several at a time, each with the seconds it took; written to standard error."""

    def __init__(self, *, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._live = self._console.is_terminal
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, float] = {}
        self._guard = threading.RLock()
        self._first = time.monotonic()

    def __enter__(self) -> Self:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing, leaving the finished steps on the screen."""
        self._progress.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the first step could begin."""
        return time.monotonic() - self._first

    def begin(self, name: str) -> None:
        """A step begins; one that has begun already is fine."""
        with self._guard:
            if name in self._begun:
                return
            self._begun[name] = time.monotonic()
            if self._live:
                self._tasks[name] = self._progress.add_task(escape(name))
            else:
                self._say(f"{self.seconds:6.1f} s  {name} ...")

    def end(self, name: str, detail: str = "", seconds: float | None = None) -> None:
        """A step has ended well, after `seconds` if that is known better than from its beginning."""
        with self._guard:
            begun = self._begun.pop(name, None)
            took = seconds if seconds is not None else time.monotonic() - (begun or time.monotonic())
            text = f"{name}{f': {detail}' if detail else ''}"
            if self._live:
                if task := self._tasks.pop(name, None):
                    self._progress.remove_task(task)
                self._console.print(f"[green]✓[/] {escape(text)} [dim]{took:.1f} s[/]")
            else:
                self._say(f"{self.seconds:6.1f} s  {text} ({took:.1f} s)")

    def note(self, text: str) -> None:
        """A line that is no step."""
        with self._guard:
            if self._live:
                self._console.print(escape(text))
            else:
                self._say(f"{self.seconds:6.1f} s  {text}")

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
