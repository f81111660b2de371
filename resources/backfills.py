"""Backfills of several sources of one table, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

from dropless.backfill.slices import Selection
from dropless.contract import Contract, Source
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from resources.backfill import Backfill, Progress, Step


def chosen(contract: Contract, wanted: Sequence[str]) -> list[Source]:
    """The sources of these names, or all.

    Raises:
        DroplessError: there is no such source.
    """
    known = {each.name: each for each in contract.sources}
    for name in wanted:
        if name not in known:
            raise DroplessError(f"{contract.name!r} has no source {name!r}; it has {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(wanted)] if wanted else list(contract.sources)


class Backfills:
    """One for each source; `locks` is the folder in which they show that they are driven."""

    def __init__(
        self,
        endpoints: Endpoints,
        contract: Contract,
        sources: Sequence[Source],
        locks: Path,
        progress: Progress = lambda _: None,
    ) -> None:
        self._contract = contract
        self._sources = sources
        self.each = [Backfill(endpoints, contract, source, locks, progress) for source in sources]

    def run(self, where: str | None, keys: Sequence[str], rate: float | None) -> list[Step]:
        """Read the selected rows of every source again; an interrupted one ends after its slice.

        Raises:
            DroplessError: several sources could not all mean the same by the condition or the keys, or one of the
                backfills failed, while the others came to their end.
        """
        if keys and len(self._sources) != 1:
            raise DroplessError("A key is one source's own: name that source with --source.")
        if where is not None and len({each.postgresql is None for each in self._sources}) != 1:
            raise DroplessError("A condition is SQL for PostgreSQL, JSON for MongoDB: name the sources with --source.")
        selections = [Selection(where, tuple(each.parsed(key) for key in keys)) for each in self.each]
        return _together(self.each, selections, rate)

    def go_on(self) -> list[Step]:
        """Go on with those that are unfinished and that nobody drives."""
        left = [each for each in self.each if (state := each.state()) and not state.ended and not each.driven()]
        return _together(left, [None] * len(left), None)


def _together(backfills: Sequence[Backfill], selections: Sequence[Selection | None], rate: float | None) -> list[Step]:
    def one(backfill: Backfill, selection: Selection | None) -> Step:
        with closing(backfill):
            return backfill.go_on() if selection is None else backfill.run(selection, rate)

    if not backfills:
        return []
    with ThreadPoolExecutor(len(backfills)) as pool:
        running = [pool.submit(one, *each) for each in zip(backfills, selections, strict=True)]
        try:
            wait(running)
        finally:
            # Done, or interrupted: then the pool waits for the slices that are under way.
            for each in backfills:
                each.stop()
    return [each.result() for each in running]
