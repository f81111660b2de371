"""Reconciles a table while its sources change: what they hold, against Pinot and the lake."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from dropless.contract import Contract, Source
from dropless.endpoints import Endpoints
from dropless.lag import Position
from dropless.readers import Stage
from dropless.reconciliation.canonical import Digest, Values, differing_keys
from dropless.reconciliation.findings import Comparison, Finding, Load, Report, Suspects, Tier, Wrong, compared
from dropless.reconciliation.keys import source_of
from dropless.reconciliation.mapped import Refused
from dropless.reconciliation.pairs import Pairs
from dropless.reconciliation.where import Where
from resources import reconcile_lake, reconcile_pinot
from resources.reconcile_fence import Fences, Passed
from resources.reconcile_lake import LakeSide, Unreadable
from resources.reconcile_mongodb import MongodbSide
from resources.reconcile_pinot import PinotSide
from resources.reconcile_postgresql import PostgresqlSide

SYSTEMS: Final = (reconcile_lake.NAME, reconcile_pinot.NAME)
SOURCE: Final = "source"
MAX_DIFFERENCES: Final = 10_000
MAX_TOUCHED: Final = 100_000
MAX_ROUNDS: Final = 12
"""A row that changes at every look is left for the next time."""
PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Step:
    """What a reconciliation is doing."""

    what: str
    rows: int = 0


Progress = Callable[[Step], None]


class Rows(Protocol):
    """A system's rows by their keys."""

    def rows(self, keys: Collection[str]) -> tuple[dict[str, Values], set[str]]:
        """The rows of these keys as they are now, and the keys that are there more than once."""


@dataclass(frozen=True)
class Limits:
    """How much a reconciliation may do."""

    differences: int = MAX_DIFFERENCES
    touched: int = MAX_TOUCHED
    rounds: int = MAX_ROUNDS
    rate: float | None = None
    """Rows a second that are read of each source."""


@dataclass
class Reconciliation:
    """One reconciliation of one table, or of some of its sources."""

    endpoints: Endpoints
    contract: Contract
    sources: Sequence[Source]
    tier: Tier = Tier.FULL
    limits: Limits = field(default_factory=Limits)
    progress: Progress = lambda _: None
    where: Where | None = None
    """Which rows; without it all of them."""

    def __post_init__(self) -> None:
        """Nothing is asked yet."""
        self._fences = Fences(self.endpoints, self.contract, self.sources)
        self._sides = {each.name: side_of(self.endpoints, self.contract, each, self.where) for each in self.sources}
        self._lake = LakeSide(self.endpoints, self.contract)
        self._pinot = PinotSide(self.endpoints, self.contract)
        self._suspects = Suspects()
        self._passed: list[Passed] = []
        self._refused: dict[str, str] = {}
        self._more = dict.fromkeys(SYSTEMS, 0)
        self._lost: dict[str, Finding] = {}
        self._rows: dict[str, dict[str, int]] = {name: {} for name in (SOURCE, *SYSTEMS)}
        self._touched = 0

    def run(self) -> Report:
        """Compare everything once, and look again at whatever differed or changed meanwhile.

        Raises:
            NotReady: a fence did not pass in time: rows are held up somewhere.
            Unreachable: a system does not answer for long.
            DroplessError: a system refused.
        """
        began, clock = time.time(), time.monotonic()
        try:
            self._compare_all()
            for number in range(self.limits.rounds):
                if not self._suspects.strikes:
                    break
                if number:
                    time.sleep(PAUSE_SECONDS)
                self._look_again(number + 1)
        finally:
            for side in self._sides.values():
                side.release()
        return Report(
            f"{datetime.fromtimestamp(began, UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}",
            self.contract.name,
            self.tier,
            began,
            time.monotonic() - clock,
            self._rows[SOURCE],
            tuple(self._comparison(name) for name in SYSTEMS),
            self._touched,
            self._refused,
            tuple(each.seconds for each in self._passed),
            {name: Load(side.rows_read, round(side.seconds, 3)) for name, side in self._sides.items()},
            self.where.text if self.where else None,
        )

    def _compare_all(self) -> None:
        keys_only = self.tier is Tier.COUNTS
        # None of them is far behind then; later looks need not wait for them.
        self._fence((Stage.PINOT, Stage.LAKE))
        with Pairs() as pairs:
            digests = {name: self._digest(side, pairs, keys_only=keys_only) for name, side in self._sides.items()}
            splits = {name: side.split for name, side in self._sides.items()}
            self.progress(Step("reading the lake"))
            try:
                self._lake.collect(pairs, splits, keys_only=keys_only, where=self.where)
            except Unreadable as error:
                self._lost[reconcile_lake.NAME] = Finding(reconcile_lake.NAME, "", Wrong.UNREADABLE, (), str(error))
            self._pinot.collect(
                pairs,
                list(splits),
                splits,
                lambda rows: self.progress(Step("reading Pinot", rows)),
                keys_only=keys_only,
                where=self.where,
            )
            self._fence()
            touched = self._touch(pairs)
            for name in self._sides:
                digest = self._without(digests[name], name, touched[name], pairs, keys_only=keys_only)
                for system in SYSTEMS:
                    if system not in self._lost:
                        self._narrow(pairs, system, name, digest, keys_only=keys_only)

    def _fence(self, stages: Sequence[Stage] = ()) -> None:
        self.progress(Step("waiting for a fence"))
        self._passed.append(self._fences.put(stages))

    def _digest(self, side: PostgresqlSide | MongodbSide, pairs: Pairs, *, keys_only: bool) -> Digest | None:
        """The digest of a source that can sum up by itself; the rows of another go among the pairs."""

        def tell(rows: int) -> None:
            self.progress(Step("reading the sources", rows))

        if isinstance(side, PostgresqlSide):
            return side.digest(self.limits.rate, tell, keys_only=keys_only)
        pairs.add(SOURCE, side.pairs(self.limits.rate, tell, keys_only=keys_only))
        return None

    def _touch(self, pairs: Pairs) -> dict[str, set[str]]:
        """Leave out of the digests what changed while it was read; it is looked at later."""
        touched: dict[str, set[str]] = {name: set() for name in self._sides}
        before, after = self._passed[-2:]
        for key in self._fences.touched(before.unified, after.unified):
            if (name := source_of(key)) in touched:
                touched[name].add(key)
        everything = [key for keys in touched.values() for key in sorted(keys)]
        self._touched = len(everything)
        pairs.touch(everything)
        for system in SYSTEMS:
            if system not in self._lost:
                self._suspects.suspect(system, everything[: self.limits.touched], 0)
        return touched

    def _without(
        self,
        digest: Digest | None,
        name: str,
        touched: set[str],
        pairs: Pairs,
        *,
        keys_only: bool,
    ) -> Digest:
        side = self._sides[name]
        if digest is None or not isinstance(side, PostgresqlSide):
            found = pairs.digest(SOURCE, name)
            self._rows[SOURCE][name] = found.rows + len(touched)
            return found
        self._rows[SOURCE][name] = digest.rows
        if touched:
            taken = side.partly(touched, keys_only=keys_only)
            digest.extend(taken.buckets.items(), sign=-1)
        return digest

    def _narrow(
        self,
        pairs: Pairs,
        system: str,
        name: str,
        digest: Digest,
        *,
        keys_only: bool,
    ) -> None:
        """From differing buckets to differing keys."""
        exact = system != reconcile_pinot.NAME
        found = pairs.digest(system, name)
        self._rows[system][name] = found.rows
        buckets = digest.differing(found, exact=exact)
        if not buckets:
            return
        self.progress(Step(f"narrowing {len(buckets):,} ranges"))
        side = self._sides[name]
        if isinstance(side, PostgresqlSide):
            ours = {key: sums for key, _, *sums in side.in_buckets(buckets, keys_only=keys_only)}
        else:
            ours = {key: sums for key, *sums in pairs.in_buckets(SOURCE, name, buckets)}
        theirs = ((key, sums) for key, *sums in pairs.in_buckets(system, name, buckets))
        differing = differing_keys(ours, theirs, exact=exact)
        touched = self._suspects.strikes.keys()
        ordered = [key for key in sorted(differing) if (system, key) not in touched]
        self._suspects.suspect(system, ordered[: self.limits.differences], 1)
        self._more[system] += max(0, len(ordered) - self.limits.differences)

    def _look_again(self, number: int) -> None:
        """Read the suspects again, everywhere, between two fences.

        What Pinot and the lake show is of a position in the unified topic that is known: a row is judged if nothing
        touched it since that position or the fence before the sources were read, whichever is older, until the fence
        after. So nobody has to wait until they have caught up.
        """
        for side in self._sides.values():
            side.release()
        keys = self._suspects.keys
        self.progress(Step(f"looking at {len(keys):,} rows again, for the {_ordinal(number)} time"))
        expected: dict[str, Values | Refused] = {}
        for name, side in self._sides.items():
            expected |= side.rows({key for key in keys if source_of(key) == name})
        self._refused |= {key: row.reason for key, row in expected.items() if isinstance(row, Refused)}
        readers: dict[str, tuple[Rows, Callable[[], Mapping[Position, int]]]] = {
            reconcile_lake.NAME: (self._lake, self._lake.position),
            reconcile_pinot.NAME: (self._pinot, self._fences.shown),
        }
        before = self._passed[-1].unified
        seen: dict[str, dict[str, Finding | None]] = {}
        since: dict[str, dict[Position, int]] = {}
        for system, (reader, position) in readers.items():
            if system in self._lost or not (suspects := self._suspects.of(system)):
                continue
            try:
                # Before its rows, so that they are of this position or a later one.
                at = position()
                since[system] = {place: min(offset, at.get(place, 0)) for place, offset in before.items()}
                found, doubled = reader.rows(suspects)
            except Unreadable as error:
                self._lost[system] = Finding(system, "", Wrong.UNREADABLE, (), str(error))
                continue
            seen[system] = {
                key: compared(
                    system,
                    key,
                    expected.get(key),
                    found.get(key),
                    self.contract.columns,
                    doubled=key in doubled,
                    milliseconds=system == reconcile_pinot.NAME,
                )
                for key in suspects
            }
        self._fence()
        after = self._passed[-1].unified
        for system, findings in seen.items():
            touched = set(self._fences.touched(since[system], after))
            for key, finding in findings.items():
                self._suspects.judge(system, key, finding, touched=key in touched)

    def _comparison(self, system: str) -> Comparison:
        found = [each for each in self._suspects.findings if each.system == system]
        if system in self._lost:
            found = [self._lost[system]]
        return Comparison(system, self._rows[system], tuple(found), self._more[system], len(self._suspects.of(system)))


def side_of(
    endpoints: Endpoints, contract: Contract, source: Source, where: Where | None = None
) -> PostgresqlSide | MongodbSide:
    """The source's table or collection; nothing is connected yet."""
    if source.postgresql:
        return PostgresqlSide(endpoints, contract, source, source.postgresql, where)
    if source.mongodb:
        return MongodbSide(endpoints, contract, source, source.mongodb, where)
    raise AssertionError(source.name)


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
