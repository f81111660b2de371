"""Has a source's rows read again while its changes flow: writes signals, and follows what becomes of them."""

from __future__ import annotations

import fcntl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropless import names
from dropless.backfill import signals
from dropless.backfill.following import Following, Verdict
from dropless.backfill.signals import Note
from dropless.backfill.slices import Key, Pace, Range, Selection
from dropless.backfill.state import Plan, State, state
from dropless.contract import Contract, Source
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, NotReady
from resources.backfill_origin import origin_of
from resources.backfill_stream import SignalStream
from resources.waiting import patiently

POLL_SECONDS: Final = 0.05
LOOK_SECONDS: Final = 0.5
# A worker that was killed comes back within this, and its transactions end.
SILENCE_SECONDS: Final = 180.0
ATTEMPTS: Final = 5


@dataclass(frozen=True)
class Step:
    """How far the backfill of one source is."""

    source: str
    note: Note
    done: int
    rows: int
    again: int = 0
    """How many slices were asked for once more, since a worker was restarted in them."""


Progress = Callable[[Step], None]


class Backfill:
    """The backfill of one source; `locks` is a folder in which it shows that somebody drives it."""

    def __init__(
        self, endpoints: Endpoints, contract: Contract, source: Source, locks: Path, progress: Progress = lambda _: None
    ) -> None:
        self._connector = names.connector(contract.name, source.name)
        self.source = source.name
        self._origin = origin_of(endpoints, contract, source)
        self._stream = SignalStream(endpoints, names.signal_topic(contract.name, source.name))
        self._lock = locks / f"{self._connector}.lock"
        self._progress = progress
        self._stop = threading.Event()
        self._again = 0
        self._out: set[str] = set()

    def parsed(self, key: str) -> Key:
        """A key as a person gives it."""
        return self._origin.parsed(key)

    def stop(self) -> None:
        """Have the slice that is under way be the last one; may be called from another thread."""
        self._stop.set()

    def run(self, selection: Selection, rate: float | None) -> Step:
        """Read the selected rows again, up to the greatest key that there is now; later rows come as changes.

        Raises:
            DroplessError: it runs already, the condition is wrong, or Debezium did not do as it was asked.
            NotReady: the connector does not act on signals.
            Unreachable: the database or Kafka does not answer for long.
        """
        with self._driving():
            self._settle()
            patiently(lambda: self._origin.forget(list(self._written())))
            last = patiently(lambda: self._origin.last(selection))
            rows = patiently(lambda: self._origin.count(selection))
            plan = Plan(uuid.uuid4().hex, selection, rows, last or (), rate)
            self._note(plan, Note.BEGUN, 0, plan.kept())
            return self._go(plan, None, 0) if last else self._end(plan, Note.COMPLETED, 0)

    def go_on(self) -> Step:
        """Go on with a backfill that nobody drives any more.

        Raises:
            DroplessError: there is none, or somebody does drive it; else as `run`.
        """
        with self._driving():
            found = self._unfinished()
            self._settle()
            self._note(found.plan, Note.RESUMED, found.done)
            return self._go(found.plan, found.after, found.done)

    def state(self) -> State | None:
        """The newest backfill, running or not."""
        return state(self._written().values())

    def driven(self) -> bool:
        """Whether somebody on this machine drives it."""
        try:
            with self._alone():
                return False
        except DroplessError:
            return True

    def tell(self, what: Note) -> None:
        """Have whoever drives the backfill pause it, resume it or stop it.

        Raises:
            DroplessError: none is under way.
        """
        found = self._unfinished()
        if what is Note.STOPPING and not self.driven():
            what = Note.STOPPED
        self._note(found.plan, what, found.done)

    def close(self) -> None:
        """End the connection to the source."""
        self._origin.close()

    def _go(self, plan: Plan, after: Key | None, done: int) -> Step:
        pace = Pace(plan.rate)
        try:
            while True:
                told = self._told()
                self._progress(Step(self.source, told, done, plan.rows, self._again))
                if self._stop.is_set() or told in (Note.STOPPING, Note.STOPPED):
                    return self._end(plan, Note.STOPPED, done)
                wait = LOOK_SECONDS if told is Note.PAUSED else pace.wait(time.monotonic())
                if wait:
                    self._stop.wait(min(wait, LOOK_SECONDS))
                    continue
                keys = self._keys(plan, pace.slice_rows, Range(after, plan.last))
                if not keys:
                    return self._end(plan, Note.COMPLETED, done)
                pace.begun(len(keys), time.monotonic())
                self._slice(plan, Range(after, keys[-1]), done)
                after, done = keys[-1], done + len(keys)
        except DroplessError:
            self._note(plan, Note.FAILED, done)
            raise

    def _slice(self, plan: Plan, within: Range, done: int) -> None:
        found_none = 0
        while self._keys(plan, 1, within):
            condition = patiently(lambda: self._origin.condition(plan.selection, within))
            ours = {"backfill": plan.id, "after": within.after, "done": done, "at": time.time()}
            signal = signals.execute(uuid.uuid4().hex, self._origin.collection, condition, ours)
            following = Following(signal.id, self._out)
            patiently(lambda sent=signal: self._origin.send(sent))  # type: ignore[misc]
            verdict = self._followed(following)
            self._out = set(following.out)
            self._tidy(signal.id)
            if verdict is Verdict.DONE:
                return
            if verdict is Verdict.REFUSED or (verdict is Verdict.NOTHING and (found_none := found_none + 1) > ATTEMPTS):
                raise DroplessError(
                    f"Debezium did not read {self._origin.collection} again, with the condition {condition!r}: "
                    f"the log of the worker that runs connector {self._connector!r} says why."
                )
            self._again += verdict is Verdict.AGAIN

    def _followed(self, following: Following) -> Verdict:
        heard = time.monotonic()
        while True:
            for record in self._stream.poll(POLL_SECONDS):
                following.see(record)
                heard = time.monotonic()
            # The table is read after the stream: whatever is in it then has been dealt with, or comes still.
            verdict = following.verdict(self._written()) if following.begun else Verdict.WAITING
            if verdict is not Verdict.WAITING:
                return verdict
            self._check_silence(heard)

    def _settle(self) -> None:
        """Until signals come out of the connector, and nothing is left of what an earlier driver began."""
        before = self._written().keys()
        signal = signals.probe(uuid.uuid4().hex)
        patiently(lambda: self._origin.send(signal))
        self._out = set(before)
        began = time.monotonic()
        while True:
            for record in self._stream.poll(POLL_SECONDS):
                self._out.add(record.signal.id)
                began = time.monotonic() if signal.id in self._out else began
            if signal.id in self._out - before and self._written().keys() <= self._out:
                return
            self._check_silence(began)

    def _check_silence(self, since: float) -> None:
        if time.monotonic() - since > SILENCE_SECONDS:
            raise NotReady(
                f"Connector {self._connector!r} has not dealt with a signal for {SILENCE_SECONDS:.0f} s: it is away, "
                "or still in its first snapshot; `dropless status` tells. `dropless backfill resume` goes on."
            )

    def _tidy(self, newest: str) -> None:
        """Leave only what tells how the backfill stands; all of it has come out."""
        gone = [
            each.id
            for each in self._written().values()
            if each.id in self._out and each.type != signals.LOG and each.id != newest
        ]
        patiently(lambda: self._origin.forget(gone))

    def _told(self) -> Note:
        found = self.state()
        return found.note if found else Note.STOPPED

    def _unfinished(self) -> State:
        found = self.state()
        if found is None or found.ended:
            raise DroplessError(f"No backfill of {self._connector} is under way.")
        return found

    def _keys(self, plan: Plan, rows: int, within: Range) -> list[Key]:
        return patiently(lambda: self._origin.slice(plan.selection, rows, within))

    def _written(self) -> dict[str, signals.Signal]:
        return patiently(self._origin.written)

    def _end(self, plan: Plan, what: Note, done: int) -> Step:
        self._note(plan, what, done)
        step = Step(self.source, what, done, plan.rows, self._again)
        self._progress(step)
        return step

    def _note(self, plan: Plan, what: Note, done: int, more: dict[str, object] | None = None) -> None:
        ours = {"backfill": plan.id, "done": done, "at": time.time(), **(more or {})}
        text = f"dropless backfill of {self._connector}: {what.value}, {done} of {plan.rows} rows"
        signal = signals.note(uuid.uuid4().hex, what, text, ours)
        patiently(lambda: self._origin.send(signal))

    @contextmanager
    def _driving(self) -> Iterator[None]:
        with self._alone(), self._stream:
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
            try:
                # Let go by the system when its holder dies.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DroplessError(
                    f"A backfill of {self._connector} runs already: `dropless backfill status` shows it, "
                    "and `dropless backfill stop` ends it."
                ) from None
            yield
