"""Fences: signs written to every source, after which all that was committed before is known to have arrived.

A connector works in the order of commits, so what was committed before a fence is in the raw topics once the fence has
come out of it; from there on offsets tell. `docs/reconciliation.md` says why this is enough.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from dropless import names
from dropless.backfill import signals
from dropless.contract import Contract, Source
from dropless.endpoints import Endpoints
from dropless.errors import NotReady
from dropless.lag import MARKER, Position
from dropless.readers import Reader, Stage, readers
from resources.backfill_origin import origin_of
from resources.backfill_stream import SignalStream
from resources.cluster import shared_view
from resources.committed import CommittedReader
from resources.peek import only_markers
from resources.progress import Progress
from resources.waiting import patiently

PASS_SECONDS: Final = 180.0
LOOK_SECONDS: Final = 0.2
# A reader that stood still for so many looks may stand before markers only.
STILL_LOOKS: Final = 10


@dataclass(frozen=True)
class Passed:
    """A fence that is behind every stage that was waited for."""

    unified: Mapping[Position, int]
    """The unified topic's ends after the union had passed: all that was committed before the fence is below them."""
    seconds: Mapping[str, float]
    """By stage, `captured` among them: how long after it was written the fence had passed."""


class Fences:
    """The fences of one table."""

    def __init__(self, endpoints: Endpoints, contract: Contract, sources: Sequence[Source]) -> None:
        """Nothing is asked yet."""
        self._endpoints = endpoints
        self._contract = contract
        self._sources = sources
        self._view = shared_view(endpoints)
        self._progress = Progress(endpoints)
        self._readers = {each.stage: each for each in readers(contract)}

    def put(self, stages: Sequence[Stage] = ()) -> Passed:
        """Write a fence to every source, and wait until the union and these stages have passed it.

        Raises:
            NotReady: a stage did not in time.
            Unreachable: something does not answer for long.
        """
        began = time.monotonic()
        with ThreadPoolExecutor(len(self._sources)) as pool:
            list(pool.map(self._captured, self._sources))
        seconds = {"captured": time.monotonic() - began}
        raw = [names.raw_topic(self._contract.name, each.name) for each in self._sources]
        self._reached(self._readers[Stage.UNION], self._ends(raw))
        seconds[Stage.UNION.value] = time.monotonic() - began
        unified = self._ends([names.unified_topic(self._contract.name)])
        for stage in stages:
            self._reached(self._readers[stage], unified)
            seconds[stage.value] = time.monotonic() - began
        return Passed(unified, seconds)

    def touched(self, since: Mapping[Position, int], until: Mapping[Position, int]) -> Iterator[str]:
        """The keys of the unified rows between two positions, perhaps more than once."""
        windows = {place: (since.get(place, 0), end) for place, end in until.items()}
        reader = CommittedReader(self._endpoints, f"reconcile.{self._contract.name}")
        for message in reader.read(windows):
            yield (message.key() or b"").decode()

    def shown(self) -> dict[Position, int]:
        """How far Pinot has read the unified topic at least."""
        lags = patiently(lambda: self._progress.lag(self._readers[Stage.PINOT]))
        return {(each.topic, each.partition): each.position for each in lags}

    def _ends(self, topics: Sequence[str]) -> dict[Position, int]:
        return patiently(lambda: self._view.ends(self._view.partitions(topics)))

    def _captured(self, source: Source) -> None:
        signal = signals.probe(uuid.uuid4().hex, "dropless reconciles")
        topic = names.signal_topic(self._contract.name, source.name)
        with closing(origin_of(self._endpoints, self._contract, source)) as origin:
            with SignalStream(self._endpoints, topic) as stream:
                patiently(lambda: origin.send(signal))
                deadline = time.monotonic() + PASS_SECONDS
                while signal.id not in {each.signal.id for each in stream.poll(0.05)}:
                    if time.monotonic() > deadline:
                        raise NotReady(
                            f"A fence that was written to source {source.name!r} did not come out of its connector in "
                            f"{PASS_SECONDS:.0f} s: it is away, or in its first snapshot; `dropless status` tells."
                        )
            patiently(lambda: origin.forget([signal.id]))

    def _reached(self, reader: Reader, ends: Mapping[Position, int]) -> None:
        deadline = time.monotonic() + PASS_SECONDS
        before: list[int] = []
        still = 0
        while True:
            lags = patiently(lambda: self._progress.lag(reader))
            behind = [each for each in lags if each.position + MARKER < ends.get((each.topic, each.partition), 0)]
            if not behind:
                return
            positions = [each.position for each in behind]
            still = still + 1 if positions == before else 0
            before = positions
            if still >= STILL_LOOKS:
                # An aborted transaction leaves nothing that could be read.
                empty = only_markers(self._endpoints, behind)
                if all((each.topic, each.partition) in empty for each in behind):
                    return
                still = 0
            if time.monotonic() > deadline:
                some = ", ".join(f"{each.topic}[{each.partition}]" for each in behind)
                raise NotReady(
                    f"The {reader.stage.value} of {self._contract.name!r} has not read {some} up to the fence "
                    f"in {PASS_SECONDS:.0f} s: `dropless status` shows where rows are held up."
                )
            time.sleep(LOOK_SECONDS)
