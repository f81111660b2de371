"""ksqlDB's streams and the mappings that its queries run.

A mapping is replaced without a record lost. The three queries of a source divide its records between them, and a
record that was a dead letter may be a row from now on: so they have to change at one place. They are paused until
their committed offsets are the same, the new queries' groups are made with these offsets, the old queries are ended,
the new ones started. The groups come first, so that whoever is killed at any point of it finds either the old queries
or the new groups. Under traffic that never rests the three may not meet: then the new ones begin where the last of
them is, and what the others had written from there on is written again, with the same origin and position.

A source is taken over from the union's workers, and given back to them, in the same way: a note in the workers' group
has them wait meanwhile, and where the queries ended is where they begin.

That it was so can be seen: `_topic`, `_partition` and `_offset` of the rows and of the dead letters name each raw
record once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from dropless.errors import DroplessError, NotReady, Unsafe
from dropless.ksqldb import naming
from dropless.ksqldb.desired import RUNNING
from dropless.lag import Position
from dropless.plan import Action, Change, Json, Resource
from resources.adapter import Progress
from resources.ksqldb_client import Ksqldb
from resources.ksqldb_offsets import Groups, furthest
from resources.ksqldb_workers import Workers, places
from resources.waiting import until

# Commits come every tenth of a second with exactly_once_v2.
STILL_SECONDS: Final = 2.0
FREEZE_SECONDS: Final = 60.0
ATTEMPTS: Final = 5
# ksqlDB deletes the group of a query some seconds after its end, and would delete one of the same name made meanwhile.
FORGETTING_SECONDS: Final = 60.0
_UNKNOWN: Final = "unknown"


class KsqldbStreams:
    """Streams, each made once: a changed one has another name."""

    def __init__(self, ksqldb: Ksqldb) -> None:
        self._ksqldb = ksqldb

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """The streams of the desired names, with what their topics are read as."""
        listed = self._ksqldb.streams()
        found = {}
        for stream in desired:
            if seen := listed.get(stream.name):
                properties = {"topic": seen.topic, "key_format": seen.key_format, "value_format": seen.value_format}
                found[stream.id] = Resource(stream.system, stream.kind, stream.name, properties)
        return found

    def check(self, change: Change) -> None:
        """Refuse to touch a stream that somebody else made under one of our names.

        Raises:
            DroplessError: there is one.
        """
        if change.action is Action.UPDATE:
            name = change.desired.name
            raise DroplessError(f"ksqlDB has another stream {name!r}, which is not ours: drop it, and plan again.")

    def apply(self, change: Change) -> None:
        """Make a stream over its topic, which exists."""
        self.check(change)
        name = change.desired.name
        self._ksqldb.execute(f"make stream {name!r}", change.desired.hints["statement"])

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until every stream is listed."""

        def missing() -> str | None:
            listed = self._ksqldb.streams()
            lacking = [stream.name for stream in desired if stream.name not in listed]
            return f"there is no stream {lacking[0]!r}." if lacking else None

        until("ksqlDB", missing, timeout_seconds)


@dataclass(frozen=True)
class _Found:
    """The queries of a source that there are: their states by role and version."""

    table: str
    source: str
    wanted: str
    states: Mapping[tuple[str, str], str]

    @property
    def current(self) -> dict[str, str]:
        """The states of those that run the wanted version, by role."""
        return {role: state for (role, version), state in self.states.items() if version == self.wanted}

    @property
    def old(self) -> list[tuple[str, str]]:
        """Role and version of those that run another one."""
        return [each for each in self.states if each[1] != self.wanted]

    @property
    def old_versions(self) -> list[str]:
        """The other versions."""
        return sorted({version for _, version in self.old})

    def id(self, role: str, version: str | None = None) -> str:
        """A query's id; of the wanted version unless another is named."""
        return naming.query(role, self.table, self.source, version or self.wanted)


class KsqldbMappings:
    """For each source the queries that write its rows and dead letters, as one thing."""

    def __init__(self, ksqldb: Ksqldb, groups: Groups, pause: Callable[[float], None] = time.sleep) -> None:
        self._ksqldb = ksqldb
        self._groups = groups
        self._sleep = pause

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """The version that each source's queries run, more than one while it changes, and their states."""
        queries = self._ksqldb.queries()
        found = {}
        for mapping in desired:
            seen = _of(mapping, queries)
            if not seen.states and _given_back(mapping):
                # Without queries the workers still wait if somebody ended those by hand.
                version = _UNKNOWN if Workers(self._groups, mapping).waiting() else ""
                nothing: dict[str, Json] = {"version": version, "queries": {}}
                found[mapping.id] = Resource(mapping.system, mapping.kind, mapping.name, nothing)
            elif seen.states:
                versions = [*seen.old_versions, *([seen.wanted] if seen.current else [])]
                old = {role: seen.states[role, version] for role, version in sorted(seen.old, key=lambda each: each[1])}
                properties: dict[str, Json] = {"version": ", ".join(versions), "queries": {**old, **seen.current}}
                found[mapping.id] = Resource(mapping.system, mapping.kind, mapping.name, properties)
        return found

    def check(self, change: Change) -> None:
        """Look whether every query that is missing has a place to begin at.

        Raises:
            Unsafe: one was ended by somebody, and its offsets are gone: it would begin at the beginning.
        """
        mapping = change.desired
        found = _of(mapping, self._ksqldb.queries())
        if _given_back(mapping):
            if self._still_theirs(mapping, found) and not self._complete(found):
                raise Unsafe(
                    f"Nobody knows how far ksqlDB came with {mapping.name!r}, of which somebody ended queries: workers "
                    f"would read {mapping.hints['topic']} from where ksqlDB began, and write rows again."
                )
        elif (lost := self._lost(mapping, found)) and (found.states or Workers(self._groups, mapping).waiting()):
            raise Unsafe(
                f"Nobody knows how far query {found.id(lost[0])} of {mapping.name!r} came: it would read "
                f"{mapping.hints['topic']} from the beginning and write everything again."
            )

    def apply(self, change: Change) -> None:
        """Start the queries, or replace them by those of the wanted version; see the module on how."""
        self.advance(change, lambda _: None)

    def advance(self, change: Change, progress: Progress) -> None:
        """The same, telling how far it is; interrupted, it goes on where it was."""
        self.check(change)
        self.replace(change, progress)

    def replace(self, change: Change, progress: Progress) -> None:
        """The same, with a query that nobody knows the place of beginning at the beginning."""
        mapping = change.desired
        found = _of(mapping, self._ksqldb.queries())
        if _given_back(mapping):
            self._give_back(mapping, found, progress)
        else:
            self._run(mapping, found, progress)
        self._retire(mapping)

    def _run(self, mapping: Resource, found: _Found, progress: Progress) -> None:
        if found.old:
            if self._to_hand_over(mapping, found):
                self._hand_over(mapping, found, progress)
            self._end(found, progress)
        elif not found.states:
            self._take_over(mapping, found, progress)
        statements: Mapping[str, str] = mapping.hints["statements"]
        for role in naming.ROLES:
            if role not in found.current:
                progress(f"starting query {found.id(role)}")
                doing = f"start query {found.id(role)}"
                self._ksqldb.execute(doing, statements[role], mapping.hints["properties"])
            elif found.current[role] == "PAUSED":
                self._ksqldb.resume(found.id(role))

    def _give_back(self, mapping: Resource, found: _Found, progress: Progress) -> None:
        """Have the workers begin where the queries end, and end those."""
        workers = Workers(self._groups, mapping)
        if self._still_theirs(mapping, found):
            first = self._meeting(mapping, found, progress) if self._complete(found) else workers.end()
            progress(f"having the union's workers go on with {mapping.name}")
            workers.go_on(first)
        self._end(found, progress)

    def _end(self, found: _Found, progress: Progress) -> None:
        for role, version in found.old:
            progress(f"ending query {found.id(role, version)}")
            self._ksqldb.terminate(found.id(role, version))

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until every query runs.

        Raises:
            DroplessError: one failed, with what it says.
        """

        def missing() -> str | None:
            queries = self._ksqldb.queries()
            for mapping in desired:
                found = _of(mapping, queries)
                if _given_back(mapping):
                    if found.states:
                        return f"{len(found.states)} queries of {mapping.name} are still there."
                    continue
                for role in naming.ROLES:
                    state = found.current.get(role)
                    if state == "ERROR":
                        errors = self._ksqldb.errors(found.id(role)) or ["no reason given"]
                        raise DroplessError(f"Query {found.id(role)} failed: {errors[-1].splitlines()[0]}")
                    if state != RUNNING:
                        return f"query {found.id(role)} is {state or 'not there'}."
            return None

        until("ksqlDB", missing, timeout_seconds)

    @cached_property
    def _service_id(self) -> str:
        return self._ksqldb.service_id()

    def _group(self, query_id: str) -> str:
        return naming.group(self._service_id, query_id)

    def _lost(self, mapping: Resource, found: _Found) -> list[str]:
        """The roles whose query has to be started and has nowhere to begin."""
        return [] if self._to_hand_over(mapping, found) else self._nowhere(mapping, found)

    def _to_hand_over(self, mapping: Resource, found: _Found) -> bool:
        """Whether the new groups have to be made of the old ones, which is so until an old query was ended."""
        if self._complete(found):
            return True
        # A version that was itself about to be replaced when a next one came: its groups are there, if not its queries.
        return bool(found.old and self._nowhere(mapping, found)) and all(
            self._committed(mapping, self._old_groups(found)).values()
        )

    def _still_theirs(self, mapping: Resource, found: _Found) -> bool:
        """Whether the workers have not been told where to go on; once they were, the queries are paused there."""
        return Workers(self._groups, mapping).waiting() or RUNNING in found.states.values()

    @staticmethod
    def _complete(found: _Found) -> bool:
        """Whether no old query was ended yet."""
        return len({role for role, _ in found.old}) == len(naming.ROLES)

    def _nowhere(self, mapping: Resource, found: _Found) -> list[str]:
        missing = [role for role in naming.ROLES if role not in found.current]
        committed = self._committed(mapping, {role: [self._group(found.id(role))] for role in missing})
        return [role for role in missing if not committed[role]]

    def _old_groups(self, found: _Found) -> dict[str, list[str]]:
        return {role: [self._group(found.id(role, each)) for each in found.old_versions] for role in naming.ROLES}

    def _committed(self, mapping: Resource, groups: Mapping[str, Sequence[str]]) -> dict[str, dict[Position, int]]:
        """How far each role came in the source's topic, in any of its groups."""
        answer = self._groups.committed([group for each in groups.values() for group in each])
        return {role: furthest(answer, each, mapping.hints["topic"]) for role, each in groups.items()}

    def _hand_over(self, mapping: Resource, found: _Found, progress: Progress) -> None:
        """Have the new queries begin where the old ones end."""
        first = self._meeting(mapping, found, progress)
        for role in naming.ROLES:
            if role not in found.current:
                self._begin(self._group(found.id(role)), first)

    def _meeting(self, mapping: Resource, found: _Found, progress: Progress) -> dict[Position, int]:
        """Pause the old queries where all have read the same; where the last of them is if they never do."""
        states = {found.id(*each): found.states[each] for each in found.old}
        for attempt in range(1, ATTEMPTS + 1):
            progress(f"pausing the queries of {mapping.name} (attempt {attempt})")
            far = list(self._frozen(mapping, found, states).values())
            first = {place: min(each.get(place, 0) for each in far) for place in places(mapping)}
            repeated = sum(max(each.get(place, 0) for each in far) - first[place] for place in first)
            if not repeated:
                return first
            if attempt < ATTEMPTS:
                # One was a little behind: once more, at another moment.
                for query_id in states:
                    self._ksqldb.resume(query_id)
                    states[query_id] = RUNNING
                self._sleep(STILL_SECONDS)
            else:
                progress(f"the queries of {mapping.name} do not meet: up to {repeated} records are written again")
        return first

    def _frozen(self, mapping: Resource, found: _Found, states: Mapping[str, str]) -> dict[str, dict[Position, int]]:
        """Pause all old queries at about the same moment; how far they are once that does not change any more."""
        for query_id, state in states.items():
            # One that failed stands still by itself.
            if state not in ("PAUSED", "ERROR"):
                self._ksqldb.pause(query_id)
        groups = self._old_groups(found)
        before: dict[str, dict[Position, int]] | None = None
        for _ in range(round(FREEZE_SECONDS / STILL_SECONDS)):
            self._sleep(STILL_SECONDS)
            now = self._committed(mapping, groups)
            if now == before:
                return now
            before = now
        raise NotReady(
            f"The queries of {mapping.name!r} still commit {FREEZE_SECONDS:g} seconds after they were paused."
        )

    def _begin(self, group: str, offsets: Mapping[Position, int]) -> None:
        """Have a new query begin there; a group of its name that an earlier query left is about to be deleted."""
        for _ in range(round(FORGETTING_SECONDS / STILL_SECONDS)):
            there = self._groups.committed([group]).get(group, {})
            if not there or there == offsets:
                break
            self._sleep(STILL_SECONDS)
        # Whatever is still there is of an attempt of ours that was interrupted.
        self._groups.begin_at(group, offsets)

    def _take_over(self, mapping: Resource, found: _Found, progress: Progress) -> None:
        """Begin where workers ended that ran the union before, else at the beginning.

        The beginning is written down, too: a group without offsets is one whose query somebody ended.
        """
        workers = Workers(self._groups, mapping)
        beginning = self._nowhere(mapping, found) if (waiting := workers.waiting()) else naming.ROLES
        if not beginning:
            return
        first = workers.end()
        if any(first.values()):
            progress(f"beginning {mapping.name} where the union's workers ended")
        for role in beginning:
            self._begin(self._group(found.id(role)), first)
        if not waiting:
            workers.leave(first)

    def _retire(self, mapping: Resource) -> None:
        """Drop the streams of earlier versions; their topics stay. One that a query still uses is left for later."""
        table, source = mapping.hints["table"], mapping.hints["source"]
        for name in sorted(self._ksqldb.streams().keys() - set(mapping.hints["streams"])):
            if naming.is_stream_of(name, table, source):
                self._ksqldb.drop_stream(name)


def _given_back(mapping: Resource) -> bool:
    return not mapping.properties["queries"]


def _of(mapping: Resource, queries: Mapping[str, str]) -> _Found:
    table, source = mapping.hints["table"], mapping.hints["source"]
    states = {
        (role, version): state
        for query_id, state in queries.items()
        for role in naming.ROLES
        if (version := naming.version_of(query_id, role, table, source))
    }
    return _Found(table, source, mapping.properties["version"], states)
