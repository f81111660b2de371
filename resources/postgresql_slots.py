"""Replication slots: whether one is gone with what it kept, and how a table is read anew then."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unsafe
from dropless.plan import Change, Resource
from resources import postgresql_catalogue as catalogue
from resources.capture import Capture
from resources.postgresql_statements import publication_of
from resources.topic_admin import TopicAdmin
from resources.waiting import until

IN_USE_SECONDS = 30.0
"""How long PostgreSQL may take to notice that a connector has stopped."""

Connection = psycopg.Connection[Any]


class Slots:
    """The slots of captured tables, each with the connector that reads by it."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._capture = Capture(endpoints)
        self._topics = TopicAdmin(endpoints)

    def found(self, connection: Connection, source: Resource) -> str | None:
        """The slot's name if it is there, or not missed yet; `lost` if its WAL is; None if it is gone."""
        slot: str | None = source.properties.get("slot")
        if slot is None:
            return None
        state = catalogue.slot_state(connection, slot)
        if state not in (None, "lost"):
            return slot
        # The connector makes its slot when it begins: only after that one can be missing.
        return state if self._has_captured(source) else slot

    def refusal(self, connection: Connection, change: Change) -> DroplessError | None:
        """Why a source must not be made ready as if nothing had happened, or None.

        A slot that is gone takes with it the WAL that was not read yet. Nor does a dropped publication made
        anew help a slot: PostgreSQL decodes old changes with the catalogue of their time, in which it is
        missing; the connector would try again for ever, and nothing would arrive.
        """
        source = change.desired
        slot = source.properties.get("slot")
        if slot is None:
            return None
        state = catalogue.slot_state(connection, slot)
        name = publication_of(source)["name"]
        if state is not None and catalogue.publication(connection, name) is None:
            return self._read_anew(source, f"Publication {name!r} is gone while replication slot {slot!r} reads by it")
        if all(each.path != "slot" or each.before == each.after for each in change.properties):
            return None
        return self._read_anew(source, f"Replication slot {slot!r} {'is gone' if state is None else 'lost its WAL'}")

    def release(self, connected: Callable[[], AbstractContextManager[Connection]], source: Resource) -> None:
        """Stop the connector, have it forget how far it was, and drop the slot: resumed, it reads the whole table.

        Raises:
            NotReady: the connector did not stop in time.
        """
        slot = source.properties["slot"]
        self._capture.forget(source.name)

        def used() -> str | None:
            with connected() as connection:
                return f"slot {slot!r} is still in use." if catalogue.slot_in_use(connection, slot) else None

        until("PostgreSQL", used, IN_USE_SECONDS)
        with connected() as connection:
            catalogue.drop_slot(connection, slot)

    def _read_anew(self, source: Resource, reason: str) -> DroplessError:
        lost = f"{reason}: changes of {source.properties['table']} that connector {source.name!r} had not read are lost"
        if self._capture.begun(source.name) is None:
            return DroplessError(
                f"{lost}, and the connector is gone too. Raise the source's `epoch` in the contract by one and apply "
                "everything to have the table read anew; then reconcile, for rows that were deleted meanwhile."
            )
        return Unsafe(
            f"{lost}. If that is allowed, it reads the whole table anew; then reconcile, for rows that were deleted "
            "meanwhile."
        )

    def _has_captured(self, source: Resource) -> bool:
        begun = self._capture.begun(source.name)
        # Connect does not tell the offsets of a connector that was deleted; its topic tells that it had some.
        return self._topics.records(source.hints["topic"]) > 0 if begun is None else begun
