"""A captured table under traffic, and whether everything that was committed came out of it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
from captured import FIRST_MARKER, SNAPSHOT, STREAMED, Captured
from captured_log import Raw, newest
from servers import Servers
from sources import Change, MongodbSource, MongodbTraffic, PostgresqlSource, PostgresqlTraffic, Traffic

from dropless.errors import Unreachable
from dropless.reconciliation.newest import differences
from resources.audit import Report, audit
from resources.connect_status import ConnectStatus
from resources.kafka_connect import not_running
from resources.waiting import until

# The keys of copied rows; the traffic leaves them alone.
FIRST_COPIED = 1_000_000


class Play:
    """The captured table, the traffic in it, and what came of it so far."""

    def __init__(self, captured: Captured, servers: Servers, seed: int) -> None:
        self.captured, self.servers = captured, servers
        self.shop, self.attic = PostgresqlSource(captured, "shop"), PostgresqlSource(captured, "attic")
        self.market, self.cellar = MongodbSource(captured, "market"), MongodbSource(captured, "cellar")
        self.postgresql, self.mongodb = (
            PostgresqlTraffic(captured, "shop", seed),
            MongodbTraffic(captured, "market", seed),
        )
        self.raw = {source: Raw(captured, source) for source in (*STREAMED, *SNAPSHOT)}
        self._copied = 0
        self._connect = ConnectStatus(captured.endpoints)

    @property
    def traffics(self) -> tuple[Traffic, Traffic]:
        return self.postgresql, self.mongodb

    def start(self) -> None:
        for traffic in self.traffics:
            traffic.start()

    def finish(self) -> None:
        for traffic in self.traffics:
            if traffic.is_alive():
                traffic.finish()

    def copy(self, rows: int) -> range:
        """So many new rows in one COPY, which is one transaction."""
        numbers = range(FIRST_COPIED + self._copied, FIRST_COPIED + self._copied + rows)
        self._copied += rows
        self.shop.copy(numbers)
        return numbers

    # --- waiting ---

    def streams(self, *sources: str, seconds: float = 60) -> None:
        """Until the connectors stream; a running one may still be reading its snapshot."""
        numbers = itertools.count(FIRST_MARKER)

        def missing() -> str | None:
            for source in sources:
                self.raw[source].advance()
                if not self.raw[source].markers:
                    write = self.shop.copy if source == "shop" else self.market.insert
                    write([next(numbers)])
                    return f"{source} is not streamed yet"
            return None

        until("The capture", missing, seconds)

    def restart_failed(self) -> None:
        """Restart what of ours failed, as the repair job does for the declared tables."""
        with suppress(Unreachable):
            for name, status in self._connect.all().items():
                if status.failed and name.startswith(f"{self.captured.table}."):
                    self._connect.restart_failed(name)

    def goes_on(self, seconds: float = 120) -> None:
        """Until a change that is made from now on has been captured in each source under traffic."""
        before = {traffic: traffic.acknowledged for traffic in self.traffics}
        awaited: dict[Traffic, Change] = {}

        def missing() -> str | None:
            self.restart_failed()
            for traffic in self.traffics:
                if traffic.acknowledged is None or traffic.acknowledged == before[traffic]:
                    return f"nothing is written in {traffic.source}"
                change = awaited.setdefault(traffic, traffic.acknowledged)
                self.raw[traffic.source].advance()
                if not self.raw[traffic.source].changes[change]:
                    return f"{change} of {traffic.source} is not in its raw topic"
            return None

        until("The capture", missing, seconds)

    def arrives_or_is_read(self, source: str, change: Change, seconds: float = 120) -> None:
        """Until this change is in the raw topic; a snapshot that begins later has it as a row that was read."""

        def missing() -> str | None:
            self.restart_failed()
            raw = self.raw[source]
            raw.advance()
            _, number, _ = change
            found = raw.changes[change] or (number is not None and raw.read[number])
            return None if found else f"{change} of {source} is not in its raw topic"

        until("The capture", missing, seconds)

    def records(self, source: str, more_than: int, seconds: float = 60) -> None:
        """Until a raw topic has more records than so many."""

        def missing() -> str | None:
            found = sum(self.raw[source].topic.ends().values())
            return None if found > more_than else f"{source} has {found} records"

        until("The capture", missing, seconds)

    def connectors_run(self, *sources: str, seconds: float = 120) -> None:
        """Until their connectors and tasks say that they run."""

        def missing() -> str | None:
            self.restart_failed()
            for source in sources:
                answer = httpx.get(f"{self.captured.connector_url(source)}/status", timeout=30)
                # A worker that has not read its topics yet knows no status.
                if reason := not_running(source, answer.json() if answer.is_success else None):
                    return reason
            return None

        until("Kafka Connect", answered(missing), seconds)

    # --- what must be ---

    def everything_was_captured_once(self) -> None:
        """Each committed change of the sources under traffic is one raw record, and those of a key are in order."""
        committed = {"shop": self.shop.journal, "market": self.mongodb.settle}
        for source, ask in committed.items():
            expected, raw = ask(), self.raw[source]

            def missing(raw: Raw = raw, expected: Counter[Change] = expected) -> str | None:
                raw.advance()
                left = expected - raw.changes
                return f"{left.total()} changes are lost, such as {list(left)[:5]}" if left else None

            until(f"The capture of {source}", missing, 90)
            more = raw.changes - expected
            assert not more, f"{more.total()} changes of {source} more than were committed, such as {list(more)[:5]}"
            assert raw.disordered == []
            assert raw.read == Counter(), "there was nothing to read in a snapshot"

    def every_raw_record_came_out_once(self, folder: Path) -> Report:
        """The union has read everything, and its audit finds nothing."""
        for raw in self.raw.values():
            raw.advance()
        expected = sum(raw.records for raw in self.raw.values())
        reports: list[Report] = []

        def missing() -> str | None:
            # Without a bookmark each audit is a whole one.
            bookmark = folder / f"audit-{len(reports)}.json"
            reports.append(audit(self.captured.endpoints, self.captured.contract, bookmark))
            return (
                None if reports[-1].records >= expected else f"{reports[-1].records} of {expected} records are through"
            )

        until("The union", missing, 90)
        assert reports[-1].findings == ()
        return reports[-1]

    def rows_are_equal(self, *sources: str) -> None:
        """The newest unified rows are the sources' rows, value by value."""
        everything = newest(self.captured)
        for source in sources:
            rows = {"shop": self.shop, "attic": self.attic, "market": self.market, "cellar": self.cellar}[source].rows()
            expected = {f"{source}:{number}": row for number, row in rows.items()}
            found = {key: row for key, row in everything.items() if key.startswith(f"{source}:")}
            wrong = list(differences(expected, found))
            assert not wrong, f"{source}: {len(wrong)} differences in {len(expected)} rows, such as {wrong[:5]}"


def answered(missing: Callable[[], str | None]) -> Callable[[], str | None]:
    """The same question, for which no answer is what is missing."""

    def ask() -> str | None:
        try:
            return missing()
        except httpx.TransportError as error:
            return str(error)

    return ask
