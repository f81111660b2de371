"""Making the observed world the desired one, in the order in which things depend on each other."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from dropless.desired import running
from dropless.errors import DroplessError, Unsafe
from dropless.plan import Change, Plan, Resource
from resources.adapter import Adapter, Destructive, Gradual, Pausing, Progress
from resources.kinds import ORDER, VALIDATED_AGAINST, adapter_of, by_kind, counted
from resources.restarts import restarted, restarts
from resources.survey import Survey, check, held, preview, refusals, survey

__all__ = [
    "ORDER",
    "Survey",
    "by_kind",
    "check",
    "held",
    "preview",
    "provision",
    "refusals",
    "select",
    "survey",
]

# A connector that follows a killed worker waits for its open transaction first; seen: 63 s.
READY_SECONDS = 180.0
SETTLE_SECONDS = 15.0


def provision(
    desired: Sequence[Resource],
    known: Mapping[str, Adapter],
    progress: Progress = lambda _: None,
    ready_seconds: float = READY_SECONDS,
    settle_seconds: float = SETTLE_SECONDS,
    *,
    allow_destructive: bool = False,
) -> Plan:
    """Observe, plan, apply in the order of dependency, wait until ready, and see that nothing is left to do.

    Applying twice is applying once. What is not in `desired` is not touched. A refusal that can be foreseen
    comes before the first change, except that servers which do not run are started: without them nothing
    else can be looked at.

    Returns:
        The plan that was applied; it is empty if there was nothing to do.

    Raises:
        DroplessError: a change was refused or invalid, or a property did not settle.
        Unsafe: a change would lose data, and `allow_destructive` is not set.
        NotReady: something did not become ready within `ready_seconds` of its kind.
    """
    work = _Work(known, progress, ready_seconds, settle_seconds, allow_destructive)
    servers = [each for each in desired if each.kind == "process" and not each.hints.get("table")]
    stages = [
        [each for each in servers if each.system == system] for system in dict.fromkeys(e.system for e in servers)
    ]
    stages.append([each for each in desired if each not in servers])
    changes = [change for stage in stages if stage for change in work.run(stage).changes]
    return Plan(tuple(changes))


@dataclass(frozen=True)
class _Work:
    """One provisioning."""

    known: Mapping[str, Adapter]
    progress: Progress
    ready_seconds: float
    settle_seconds: float
    allow_destructive: bool

    def run(self, desired: Sequence[Resource]) -> Plan:
        todo = preview(desired, self.known, self.progress)
        unsafe = self._allowed(refusals(todo, self.known))
        # What is paused or dropped on the way was found in its place when the plan was made.
        outdated = self._pause(desired, restarted(todo, unsafe))
        for kind, declared in by_kind(desired).items():
            resources = self._resumed(declared, unsafe) if kind == "connector" else declared
            adapter = adapter_of(kind, self.known)
            changes = preview(resources, self.known) if outdated else todo
            for change in (each for each in changes.changes if each.desired.kind == kind):
                self._apply(adapter, change, unsafe)
                outdated |= change.desired.id in unsafe
            self.progress(f"waiting for {counted(kind, resources)}")
            adapter.wait_ready(resources, self.ready_seconds)
        if not todo.empty:
            self.progress("looking whether anything is left to do")
            _settle(desired, self.known, self.settle_seconds)
        return todo

    def _apply(self, adapter: Adapter, change: Change, unsafe: Collection[str]) -> None:
        self.progress(f"{change.action.value} {change.desired.id}")
        if change.desired.id in unsafe and isinstance(adapter, Destructive):
            adapter.replace(change, self.progress)
        elif isinstance(adapter, Gradual):
            adapter.advance(change, self.progress)
        else:
            adapter.apply(change)
        if restarts(change):
            # One after the other: the others do its work meanwhile.
            adapter.wait_ready([change.desired], self.ready_seconds)

    def _resumed(self, connectors: Sequence[Resource], unsafe: Collection[str]) -> list[Resource]:
        # What read a source that was replaced was stopped for that; what a person stopped is left alone.
        sources = VALIDATED_AGAINST["connector"]
        return [
            running(each) if any(f"{kind}:{each.name}" in unsafe for kind in sources) else each for each in connectors
        ]

    def _allowed(self, refused: Mapping[str, DroplessError]) -> Collection[str]:
        for name, error in refused.items():
            possible = isinstance(adapter_of(name.partition(":")[0], self.known), Destructive)
            if not (self.allow_destructive and isinstance(error, Unsafe) and possible):
                raise error
        return refused.keys()

    def _pause(self, desired: Sequence[Resource], tables: Collection[str]) -> bool:
        ours = [each for each in desired if each.kind == "process" and each.hints.get("table") in tables]
        for each in ours:
            adapter = adapter_of(each.kind, self.known)
            if isinstance(adapter, Pausing):
                self.progress(f"stopping {each.name}")
                adapter.pause(each)
        return bool(ours)


def select(desired: Sequence[Resource], only: str | None) -> list[Resource]:
    """The resources of one kind (`topic`), or the one that is named (`topic:unified.orders`); all without `only`.

    Raises:
        DroplessError: there is none; the sentence names the nearest.
    """
    if only is None:
        return list(desired)
    selected = [each for each in desired if only in (each.id, each.kind)]
    if not selected:
        names = [each.id for each in desired] + sorted({each.kind for each in desired})
        near = difflib.get_close_matches(only, names, n=1, cutoff=0)
        raise DroplessError(f"Nothing is called {only!r}; did you mean {near[0] if near else 'another contract'!r}?")
    return selected


def _settle(desired: Sequence[Resource], known: Mapping[str, Adapter], seconds: float) -> None:
    # A change just made reaches the last broker, controller or worker a moment after the first.
    retrying = Retrying(
        retry=retry_if_result(lambda left: not left.empty),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.5),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    left: Plan = retrying(preview, desired, known)
    if left.empty:
        return
    change = left.changes[0]
    each = change.properties[0] if change.properties else None
    detail = f": its property {each.path} is {each.before!r} instead of {each.after!r}" if each else ""
    raise DroplessError(f"{change.desired.id} was applied but is not as desired{detail}.")
