"""Mappings on ksqlDB: made, replaced at one place, taken over from workers, and how far they are.

The server is one that was written by specification; the consumer groups are in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from contracts import SENSORS, contract
from ksqldb_server import HERE, BySpecification, Kept, apply, ids, planned, running, table

from dropless import durability, names
from dropless.errors import DroplessError, NotReady, Unreachable, Unsafe
from dropless.ksqldb import desired, naming
from dropless.plan import Resource
from dropless.union.turn import KSQLDB
from resources.ksqldb import KsqldbMappings
from resources.ksqldb_client import Ksqldb
from resources.ksqldb_progress import QueryProgress

WORKERS = names.union_group("readings")


@pytest.fixture
def server() -> Iterator[BySpecification]:
    with running() as made:
        yield made


@pytest.fixture
def ksqldb(server: BySpecification) -> Ksqldb:
    return Ksqldb((server.url,))


@pytest.fixture
def kept(server: BySpecification) -> Kept:
    return Kept(server)


def test_an_empty_ksqldb_gets_streams_and_queries_and_then_nothing_is_left_to_do(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    wanted = table()
    assert [change.action.value for change in planned(ksqldb, kept, wanted).changes] == ["create"] * 5
    apply(ksqldb, kept, wanted)
    assert planned(ksqldb, kept, wanted).empty
    assert set(server.queries) == set(ids(wanted).values())
    assert {each["topic"] for each in server.streams.values()} == {HERE[0], "unified.readings", "dead.readings"}
    # The beginning is written down, so that a query that is ended is told from one that never ran.
    groups = [naming.group("dropless_", query) for query in ids(wanted).values()]
    assert kept.begun == [(group, {HERE: 0}) for group in [*groups, WORKERS]]
    assert kept.notes(WORKERS) == {HERE: KSQLDB}
    before = len(server.requests)
    apply(ksqldb, kept, wanted)
    assert all(each["ksql"].startswith("SHOW") for each in server.requests[before:])


def test_queries_run_with_the_durability_tables_settings(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    apply(ksqldb, kept, table())
    for query in server.queries.values():
        assert query["properties"] == {
            "ksql.streams.processing.guarantee": durability.layer("streams")["processing.guarantee"],
            "ksql.streams.auto.offset.reset": "earliest",
        }


def test_a_changed_mapping_is_replaced_at_one_place(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    old, new = table(), table("fahrenheit")
    apply(ksqldb, kept, old)
    kept.reached(42)
    (change,) = planned(ksqldb, kept, new).changes
    assert {each.path: (each.before, each.after) for each in change.properties} == {
        "version": (old[-1].properties["version"], new[-1].properties["version"])
    }
    server.requests.clear()
    apply(ksqldb, kept, new)
    assert planned(ksqldb, kept, new).empty
    assert set(server.queries) == set(ids(new).values())
    assert [kept.of(query) for query in ids(new).values()] == [{HERE: 42}] * 3
    done = [each.split()[0] for each in server.sent("PAUSE", "TERMINATE", "INSERT", "RESUME")]
    assert done == ["PAUSE"] * 3 + ["TERMINATE"] * 3 + ["INSERT"] * 3


def test_queries_that_do_not_meet_at_once_are_paused_again(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    old, new = table(), table("fahrenheit")
    apply(ksqldb, kept, old)
    kept.reached(42)
    kept.reached(40, "dead")
    # Once they run again, all come as far.
    told: list[str] = []
    apply(ksqldb, kept, new, told, pause=lambda _: kept.reached(45))
    assert [kept.of(query) for query in ids(new).values()] == [{HERE: 45}] * 3
    assert any("attempt 2" in each for each in told)
    assert not any("again" in each for each in told)


def test_queries_that_never_meet_go_on_where_the_last_one_is_so_that_nothing_is_lost(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    old, new = table(), table("fahrenheit")
    apply(ksqldb, kept, old)
    kept.reached(42)
    kept.reached(40, "dead")
    told: list[str] = []
    apply(ksqldb, kept, new, told)
    assert [kept.of(query) for query in ids(new).values()] == [{HERE: 40}] * 3
    assert any("up to 2 records are written again" in each for each in told)


def test_a_replacement_that_is_interrupted_anywhere_goes_on_without_losing_its_place(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    old, new = table(), table("fahrenheit")
    for verb in ("PAUSE", "TERMINATE", "INSERT"):
        for query in ("ROWS", "DEAD", "BROKEN"):
            kept.reset()
            apply(ksqldb, kept, old)
            kept.reached(42)
            stems = {"PAUSE": f"PAUSE {query}", "TERMINATE": f"TERMINATE {query}"}
            to = new[0].name if query == "ROWS" else new[1].name
            server.die_at = stems.get(verb, f"INSERT INTO `{to}` WITH (QUERY_ID = '{query}")
            with pytest.raises(Unreachable):
                apply(ksqldb, kept, new)
            server.die_at = None
            # ksqlDB has deleted the groups of what was ended meanwhile.
            for name in ids(old).values():
                if name not in server.queries:
                    kept.offsets.pop(naming.group("dropless_", name), None)
            apply(ksqldb, kept, new)
            assert set(server.queries) == set(ids(new).values()), (verb, query)
            assert [kept.of(name) for name in ids(new).values()] == [{HERE: 42}] * 3, (verb, query)


def test_a_replacement_that_is_replaced_before_it_ended_keeps_its_place(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    first, second, third = table(), table("fahrenheit"), table("kelvin")
    apply(ksqldb, kept, first)
    kept.reached(42)
    server.die_at = f"INSERT INTO `{second[1].name}` WITH (QUERY_ID = 'DEAD"
    with pytest.raises(Unreachable):
        apply(ksqldb, kept, second)
    server.die_at = None
    for name in ids(first).values():
        del kept.offsets[naming.group("dropless_", name)]
    apply(ksqldb, kept, third)
    assert [kept.of(name) for name in ids(third).values()] == [{HERE: 42}] * 3


def test_a_mapping_that_comes_back_waits_until_its_former_groups_are_gone(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    first, second = table(), table("fahrenheit")
    apply(ksqldb, kept, first)
    kept.reached(42)
    apply(ksqldb, kept, second)
    kept.reached(50)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            for name in ids(first).values():
                del kept.offsets[naming.group("dropless_", name)]

    apply(ksqldb, kept, first, pause=wait)
    assert len(waits) >= 5
    assert [kept.of(name) for name in ids(first).values()] == [{HERE: 50}] * 3


def test_a_query_that_somebody_ended_is_not_begun_anew_by_itself(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    wanted = table()
    apply(ksqldb, kept, wanted)
    kept.reached(42)
    lost = ids(wanted)["dead"]
    ksqldb.terminate(lost)
    del kept.offsets[naming.group("dropless_", lost)]
    (change,) = planned(ksqldb, kept, wanted).changes
    mappings = KsqldbMappings(ksqldb, kept, lambda _: None)
    with pytest.raises(Unsafe, match="from the beginning"):
        mappings.check(change)
    with pytest.raises(Unsafe):
        mappings.apply(change)
    assert lost not in server.queries
    mappings.replace(change, lambda _: None)
    assert planned(ksqldb, kept, wanted).empty


def test_a_paused_query_is_drift_and_is_resumed(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    wanted = table()
    apply(ksqldb, kept, wanted)
    ksqldb.pause(ids(wanted)["rows"])
    (change,) = planned(ksqldb, kept, wanted).changes
    assert [(each.path, each.before, each.after) for each in change.properties] == [
        ("queries/rows", "PAUSED", "RUNNING")
    ]
    apply(ksqldb, kept, wanted)
    assert server.sent("RESUME") == [f"RESUME {ids(wanted)['rows']};"]


def test_a_failed_query_is_told_with_its_error(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    wanted = table()
    apply(ksqldb, kept, wanted)
    failed = server.queries[ids(wanted)["rows"]]
    failed |= {"state": "ERROR", "errors": [{"errorMessage": "Topic is gone\n\tat java", "type": "USER"}]}
    with pytest.raises(DroplessError, match=r"failed: Topic is gone$"):
        KsqldbMappings(ksqldb, kept).wait_ready(wanted[-1:], 1)


def test_ksqldb_goes_on_where_the_worker_ended_and_not_beside_it(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    kept.offsets[WORKERS] = {HERE: 17, ("raw.other.plant", 0): 5}
    kept.busy.add(WORKERS)
    with pytest.raises(NotReady, match="stop the union's workers"):
        apply(ksqldb, kept, table())
    assert not server.queries
    kept.busy.clear()
    apply(ksqldb, kept, table())
    assert [kept.of(name) for name in ids(table()).values()] == [{HERE: 17}] * 3
    # From here on a worker that is started waits; of other topics nothing was said.
    assert kept.notes(WORKERS) == {HERE: KSQLDB}


def test_a_takeover_that_is_interrupted_begins_where_the_worker_ended_in_the_end(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    kept.offsets[WORKERS] = {HERE: 17}
    kept.refuses = WORKERS
    with pytest.raises(DroplessError, match="refused"):
        apply(ksqldb, kept, table())
    assert not server.queries
    kept.refuses = ""
    # Meanwhile the worker was started again: nothing had it wait.
    kept.offsets[WORKERS] = {HERE: 25}
    apply(ksqldb, kept, table())
    assert [kept.of(name) for name in ids(table()).values()] == [{HERE: 25}] * 3


def given_back() -> list[Resource]:
    return desired.given_back(contract(SENSORS))


def test_workers_go_on_where_ksqldb_ended(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    assert planned(ksqldb, kept, given_back()).empty
    apply(ksqldb, kept, table())
    kept.reached(42)
    (change,) = planned(ksqldb, kept, given_back()).changes
    assert {each.path: each.after for each in change.properties} == {"queries": {}, "version": ""}
    told: list[str] = []
    apply(ksqldb, kept, given_back(), told)
    assert kept.offsets[WORKERS] == {HERE: 42}
    assert not kept.notes(WORKERS)
    assert not server.queries
    assert not server.streams
    assert planned(ksqldb, kept, given_back()).empty
    assert "having the union's workers go on with readings.plant" in told
    # And once more to ksqlDB, as far as the workers came; the old groups are forgotten a little later.
    kept.offsets[WORKERS] = {HERE: 50}

    def wait(_: float) -> None:
        for name in ids(table()).values():
            if name not in server.queries:
                kept.offsets.pop(naming.group("dropless_", name), None)

    apply(ksqldb, kept, table(), pause=wait)
    assert [kept.of(name) for name in ids(table()).values()] == [{HERE: 50}] * 3


def test_giving_back_that_is_interrupted_anywhere_sets_no_worker_back(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    for verb in ("PAUSE", "TERMINATE"):
        for query in ("ROWS", "DEAD", "BROKEN"):
            kept.reset()
            apply(ksqldb, kept, table())
            kept.reached(42)
            server.die_at = f"{verb} {query}"
            with pytest.raises(Unreachable):
                apply(ksqldb, kept, given_back())
            server.die_at = None
            # Workers wait until they were told where to begin, and go on at once then.
            waiting = bool(kept.notes(WORKERS))
            assert waiting == (verb == "PAUSE")
            if not waiting:
                assert kept.offsets[WORKERS] == {HERE: 42}
                kept.offsets[WORKERS] = {HERE: 60}
            apply(ksqldb, kept, given_back())
            assert not server.queries
            assert not kept.notes(WORKERS)
            assert kept.offsets[WORKERS] == {HERE: 42 if waiting else 60}, (verb, query)


def test_queries_that_never_meet_give_back_where_the_last_one_is(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    apply(ksqldb, kept, table())
    kept.reached(42)
    kept.reached(40, "dead")
    told: list[str] = []
    apply(ksqldb, kept, given_back(), told)
    assert kept.offsets[WORKERS] == {HERE: 40}
    assert any("up to 2 records are written again" in each for each in told)


@pytest.mark.parametrize("ended", [("dead",), naming.ROLES])
def test_what_somebody_ended_is_not_given_back_by_itself(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept, ended: tuple[str, ...]
) -> None:
    apply(ksqldb, kept, table())
    kept.reached(42)
    for role in ended:
        query = ids(table())[role]
        ksqldb.terminate(query)
        del kept.offsets[naming.group("dropless_", query)]
    (change,) = planned(ksqldb, kept, given_back()).changes
    mappings = KsqldbMappings(ksqldb, kept, lambda _: None)
    with pytest.raises(Unsafe, match="from where ksqlDB began"):
        mappings.check(change)
    with pytest.raises(Unsafe):
        mappings.apply(change)
    assert kept.notes(WORKERS)
    mappings.replace(change, lambda _: None)
    assert not server.queries
    assert not kept.notes(WORKERS)
    assert kept.offsets[WORKERS] == {HERE: 0}


def test_queries_that_all_were_ended_are_not_begun_anew_by_themselves(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    apply(ksqldb, kept, table())
    kept.reached(42)
    for query in ids(table()).values():
        ksqldb.terminate(query)
        del kept.offsets[naming.group("dropless_", query)]
    with pytest.raises(Unsafe, match="Nobody knows how far"):
        apply(ksqldb, kept, table())
    assert not server.queries


def test_the_slowest_of_the_three_queries_tells_how_far_the_union_is(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    wanted = table()
    apply(ksqldb, kept, wanted)
    progress = QueryProgress(ksqldb, kept.committed)
    sources = {HERE[0]: "plant"}
    kept.reached(50)
    kept.reached(42, "dead")
    assert progress.read("readings", sources)[HERE] == 42
    # One that nobody runs has read nothing: what it leaves unread is the whole topic.
    ksqldb.terminate(ids(wanted)["broken"])
    assert HERE not in progress.read("readings", sources)


def test_while_one_query_replaces_another_the_further_one_tells(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    apply(ksqldb, kept, table())
    kept.reached(50)
    server.queries |= {query.replace(query[-12:], "0" * 12): told for query, told in server.queries.items()}
    kept.reached(70)
    for query in server.queries:
        if query.endswith("0" * 12):
            kept.of(query)[HERE] = 60
    assert QueryProgress(ksqldb, kept.committed).read("readings", {HERE[0]: "plant"})[HERE] == 70


def test_a_changed_unified_row_is_another_stream_and_the_old_one_goes_when_nobody_uses_it(
    server: BySpecification, ksqldb: Ksqldb, kept: Kept
) -> None:
    old = table()
    attributes = json.loads(json.dumps(SENSORS))
    attributes["columns"].insert(0, {"name": "unit", "type": "string"})
    made = contract(attributes)
    new = desired.resources(made)
    apply(ksqldb, kept, old)
    server.streams["somebodys"] = {"topic": "x", "keyFormat": "KAFKA", "valueFormat": "JSON"}
    apply(ksqldb, kept, new)
    assert set(server.streams) == {each.name for each in new[:-1]} | {"somebodys"}


def test_a_stream_of_somebody_else_is_left_alone(server: BySpecification, ksqldb: Ksqldb, kept: Kept) -> None:
    wanted = table()
    server.streams[wanted[0].name] = {"topic": "other", "keyFormat": "KAFKA", "valueFormat": "JSON"}
    with pytest.raises(DroplessError, match="which is not ours"):
        apply(ksqldb, kept, wanted)
