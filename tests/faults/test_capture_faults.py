"""From the source databases to the unified topic: every committed change once, whatever dies on the way.

Small transactions run in PostgreSQL and MongoDB throughout. The order of the faults is drawn from
DROPLESS_FAULT_SEED; with DROPLESS_FAULTS=all there are more of them, and larger ones.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from captured import FIRST_MARKER, STREAMED, Captured
from captured_log import Topic, newest
from play import Play
from servers import MONGODB, POSTGRESQL, REGISTRY, WORKER, Servers
from sources import INSERT, values

from dropless import desired, names
from dropless.endpoints import Endpoints
from dropless.errors import Unreachable
from dropless.records import headers
from dropless.settings import Settings
from resources.adapters import adapters
from resources.provisioning import preview

SEED = int(os.environ.get("DROPLESS_FAULT_SEED", "1"))
LONG = os.environ.get("DROPLESS_FAULTS") == "all"
ROUNDS = 3 if LONG else 1
COPIED = 20_000 if LONG else 10_000
# So many that the snapshot is not over when its first records are seen.
STORED = 40_000
# Far fewer documents: SecantusDB flushes each.
DOCUMENTS = 1000
# The keys of rows that are written by hand; the traffic and the COPYs leave them alone.
FIRST_OPEN, FIRST_EMPTIED = 2_000_000, 3_000_000

pytestmark = pytest.mark.timeout(1200 if LONG else 600)

Fault = Callable[[Play], None]


def kill_the_worker_amid_open_transactions_and_a_copy(play: Play) -> None:
    """Three transactions write by turns and a fourth has only begun; a COPY of many rows is half captured."""
    first = FIRST_OPEN + 1000 * random.randrange(10_000)
    with ExitStack() as stack:
        opened = [stack.enter_context(play.shop.transaction()) for _ in range(4)]
        for turn in range(5):
            for number, connection in enumerate(opened[:3]):
                connection.execute(INSERT, values(first + 10 * turn + number, 1))
        # It has a number from here on, and nothing else.
        opened[3].execute("select pg_current_xact_id()")
        before = sum(play.raw["shop"].topic.ends().values())
        play.copy(COPIED)
        play.records("shop", before + 1000)
        play.servers.kill(WORKER)
        for number, connection in enumerate(opened):
            connection.execute(INSERT, values(first + 900 + number, 2))
        opened[2].commit()
        opened[1].rollback()


def kill_postgresql(play: Play) -> None:
    play.servers.kill(POSTGRESQL)


def shut_postgresql_down_at_once(play: Play) -> None:
    # Immediate: no checkpoint, so that it recovers as after a crash.
    play.servers.kill(POSTGRESQL, signal.SIGQUIT)


def kill_mongodb(play: Play) -> None:
    play.servers.kill(MONGODB)


def kill_both_databases(play: Play) -> None:
    kill_postgresql(play)
    kill_mongodb(play)


def take_both_databases_away(play: Play) -> None:
    with play.servers.down(POSTGRESQL), play.servers.down(MONGODB):
        time.sleep(25)


def kill_the_worker_while_the_databases_are_away(play: Play) -> None:
    with play.servers.down(POSTGRESQL), play.servers.down(MONGODB):
        play.servers.kill(WORKER)
        play.servers.wait_healthy("kafka_connect")


def suspend_the_worker_beyond_its_transactions_time_out(play: Play) -> None:
    play.servers.suspend(WORKER, 12)


def take_the_registry_away(play: Play) -> None:
    """Rows need no registry; what does says that it does not answer."""
    with play.servers.down(REGISTRY):
        play.goes_on()
        subjects = desired.subjects(play.captured.contract)
        with pytest.raises(Unreachable, match="registry does not answer"):
            preview(subjects, adapters(play.captured.endpoints))


SHORT_FORM: tuple[Fault, ...] = (
    kill_the_worker_amid_open_transactions_and_a_copy,
    kill_both_databases,
    suspend_the_worker_beyond_its_transactions_time_out,
    take_the_registry_away,
)
LONG_FORM: tuple[Fault, ...] = (
    *SHORT_FORM,
    *(kill_the_worker_amid_open_transactions_and_a_copy,) * 3,
    kill_postgresql,
    shut_postgresql_down_at_once,
    kill_mongodb,
    take_both_databases_away,
    kill_the_worker_while_the_databases_are_away,
)


@pytest.fixture
def play(tmp_path: Path, endpoints: Endpoints, settings: Settings) -> Iterator[Play]:
    captured, servers = Captured(tmp_path, endpoints, settings), Servers(settings)
    made = Play(captured, servers, SEED)
    captured.make()
    try:
        captured.capture(*STREAMED)
        captured.start_union()
        yield made
    finally:
        made.finish()
        for system in ("postgresql", "mongodb", "kafka_connect", "schema_registry"):
            servers.wait_healthy(system)
        captured.remove()


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_every_committed_change_is_captured_once_whatever_dies(
    play: Play, seed: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    faults = LONG_FORM if LONG else SHORT_FORM
    play.streams(*STREAMED)
    play.start()
    play.goes_on()
    recoveries: list[tuple[str, float]] = []
    for fault in random.Random(seed).sample(faults, len(faults)):
        fault(play)
        began = time.monotonic()
        play.goes_on()
        recoveries.append((fault.__name__, round(time.monotonic() - began, 1)))
    record_property("seconds from each fault to the next changes", recoveries)
    print(f"seed {seed}: seconds to the next changes: {recoveries}")
    play.finish()

    play.everything_was_captured_once()
    report = play.every_raw_record_came_out_once(tmp_path)
    assert report.dead == 0
    play.rows_are_equal(*STREAMED)


def test_a_snapshot_that_is_killed_is_read_again_and_ends_right(play: Play, tmp_path: Path) -> None:
    play.attic.copy(range(STORED))
    play.cellar.insert(range(DOCUMENTS))
    play.captured.capture("attic", "cellar")
    play.records("attic", 3000)
    play.servers.kill(WORKER)
    play.raw["attic"].advance()
    assert play.raw["attic"].read.total() < STORED, "the snapshot was over before the worker died"
    # Read already, and changed before they are read again.
    with play.attic.transaction() as connection:
        connection.execute("update public.items set change = change + 1000000 where id < 100")
    play.connectors_run("attic", "cellar")

    for source, stored in {"attic": STORED, "cellar": DOCUMENTS}.items():
        write = play.attic.copy if source == "attic" else play.cellar.insert
        write([stored])
        play.arrives_or_is_read(source, ("c", stored, stored))
        raw = play.raw[source]
        # Two numbers are compared, not the sets: they would be shown in full.
        assert len(raw.read.keys() & set(range(stored))) == stored, "rows were not read"
        assert max(raw.changes.values(), default=0) <= 1, "a change was captured twice"
    again = sum(count > 1 for count in play.raw["attic"].read.values())
    assert again > 0, "nothing was read again: the worker was not killed amid the snapshot"
    play.every_raw_record_came_out_once(tmp_path)
    play.rows_are_equal("attic", "cellar")


def test_a_truncate_is_told_as_a_dead_letter_and_never_applied(play: Play, tmp_path: Path) -> None:
    first = FIRST_EMPTIED
    play.streams("shop")
    play.shop.copy(range(first, first + 10))
    with play.shop.transaction() as connection:
        connection.execute("truncate public.items")
        connection.execute(INSERT, values(first, first + 100))
    play.everything_was_captured_once()
    report = play.every_raw_record_came_out_once(tmp_path)

    assert report.dead == 1
    (letter,) = Topic(play.captured, names.dead_topic(play.captured.table)).more()
    assert headers(letter)["reason"].startswith("truncate: ")
    assert headers(letter)["topic"] == names.raw_topic(play.captured.table, "shop")
    left = [row for row in newest(play.captured).values() if row["item"] < FIRST_MARKER]
    assert len(left) == 10
