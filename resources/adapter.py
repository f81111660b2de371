"""What every kind of thing has in common: observe it, apply a change to it, wait until it is ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from dropless.plan import Change, Resource

Progress = Callable[[str], None]
"""Told what is being done, in a few words."""


class Adapter(Protocol):
    """One kind of thing (topic, subject, connector, ...) in its real system."""

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """What exists, by `Resource.id`, reduced to the properties that `desired` names; what is missing is left out.

        Raises:
            DroplessError: the system does not answer, or something that a person must make is missing.
        """

    def apply(self, change: Change) -> None:
        """Create or update one thing; doing it twice is doing it once.

        Raises:
            DroplessError: the system refused, with what it said.
        """

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until all of them do their work.

        Raises:
            NotReady: one of them did not in its time, with what was still missing.
        """


@runtime_checkable
class Preflight(Protocol):
    """An adapter that can tell before anything is changed that a change would be refused."""

    def check(self, change: Change) -> None:
        """Look at one change of a plan without applying it.

        Raises:
            DroplessError: the change is invalid.
            Unsafe: it would lose data.
        """


@runtime_checkable
class Gradual(Protocol):
    """An adapter with changes that take long enough for a person to want to see them advance."""

    def advance(self, change: Change, progress: Progress) -> None:
        """Apply one change and tell how far it is; interrupted, it leaves nothing half configured.

        Raises:
            DroplessError: the system refused, with what it said.
        """


@runtime_checkable
class Destructive(Protocol):
    """An adapter that can carry out a change which its check calls unsafe."""

    def replace(self, change: Change, progress: Progress) -> None:
        """Carry it out, and lose what the check said would be lost.

        Raises:
            DroplessError: the system refused, with what it said.
        """


@runtime_checkable
class Holding(Protocol):
    """An adapter whose things a person may hold back on purpose, which is no drift but has to be told."""

    def held(self, desired: Sequence[Resource]) -> dict[str, str]:
        """What is held back, by `Resource.id`, and how, as the end of a sentence.

        Raises:
            DroplessError: the system does not answer.
        """


@runtime_checkable
class Pausing(Protocol):
    """An adapter whose things can be stopped while what they work on is changed."""

    def pause(self, resource: Resource) -> None:
        """Stop one; a later plan says that it does not run."""
