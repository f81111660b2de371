"""A backfill's slices, its pace, its signals, and what is read off them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from contracts import endpoints, orders

from dropless.backfill import signals
from dropless.backfill.following import Following, Verdict
from dropless.backfill.signals import Note, Seen, Signal, postgresql_collection
from dropless.backfill.slices import SLICE_ROWS, Pace, Range, Selection
from dropless.backfill.state import Plan, state
from dropless.contract import PostgresqlTable
from dropless.errors import DroplessError
from resources.backfill_mongodb import MongodbOrigin
from resources.backfill_postgresql import condition, parts
from resources.backfills import Backfills, chosen

PLAN = Plan("b1", Selection("total > 1", (("7", "x"),)), 5000, ("9", "z"), 100.0)


def sql(selection: Selection, within: Range = Range()) -> str:  # noqa: B008 - frozen
    return condition(["shop", "order no"], selection, within).as_string(None)


class TestPace:
    def test_the_rate_is_kept_on_average_and_never_made_up_for(self) -> None:
        pace, now, begun = Pace(100.0), 0.0, []
        for _ in range(20):
            now += pace.wait(now)
            begun.append(now)
            pace.begun(pace.slice_rows, now)
        assert pace.slice_rows == 200
        assert begun == [2.0 * number for number in range(20)]
        # A pause of an hour earns no credit.
        now += 3600
        assert pace.wait(now) == 0
        pace.begun(200, now)
        assert pace.wait(now) == pytest.approx(2.0)

    @pytest.mark.parametrize(("rate", "rows"), [(None, SLICE_ROWS), (1e9, SLICE_ROWS), (0.1, 1), (3.0, 6)])
    def test_a_slice_is_never_empty_and_never_more_than_a_chunk(self, rate: float | None, rows: int) -> None:
        assert Pace(rate).slice_rows == rows

    def test_without_a_rate_nothing_waits(self) -> None:
        pace = Pace(None)
        pace.begun(SLICE_ROWS, 1.0)
        assert pace.wait(1.0) == 0


class TestConditions:
    def test_keys_are_quoted_whatever_they_hold(self) -> None:
        evil = ("x'); drop table orders; --", 'a"b')
        made = sql(Selection(keys=(evil, ("1", "2"))))
        assert made == (
            """(("shop", "order no") = ('x''); drop table orders; --', 'a"b') or ("shop", "order no") = ('1', '2'))"""
        )

    def test_a_range_has_its_first_key_outside_and_its_last_inside(self) -> None:
        assert sql(Selection(), Range(("a", "1"), ("b", "2"))) == (
            """("shop", "order no") > ('a', '1') and ("shop", "order no") <= ('b', '2')"""
        )
        assert sql(Selection()) == "true"

    def test_a_condition_cannot_reach_beyond_its_parentheses_by_a_comment(self) -> None:
        assert sql(Selection("total > 1 or total is null -- all"), Range(None, ("b", "2"))) == (
            """(total > 1 or total is null -- all\n) and ("shop", "order no") <= ('b', '2')"""
        )

    def test_a_key_of_several_parts_is_a_json_list(self) -> None:
        assert parts('["w1", 4711]', ["shop", "order"]) == ("w1", "4711")
        for wrong in ("w1", '["w1"]', '{"shop": 1}'):
            with pytest.raises(DroplessError, match="must be a JSON list of 2 parts"):
                parts(wrong, ["shop", "order"])

    def test_a_query_keeps_the_types_of_keys(self) -> None:
        keys = tuple(MongodbOrigin.parsed(each) for each in ('{"$oid": "5f0000000000000000000001"}', "7", 'it"s'))
        made = json.loads(MongodbOrigin.condition(Selection(keys=keys), Range()))
        found = [{"$oid": "5f0000000000000000000001"}, {"$numberInt": "7"}, 'it"s']
        assert made == {"$and": [{"_id": {"$in": found}}]}

    def test_a_query_is_joined_with_its_range(self) -> None:
        within = Range(MongodbOrigin.parsed("1"), MongodbOrigin.parsed("5"))
        made = json.loads(MongodbOrigin.condition(Selection('{"status": "paid"}'), within))
        bounds = {"_id": {"$gt": {"$numberInt": "1"}, "$lte": {"$numberInt": "5"}}}
        assert made == {"$and": [{"status": "paid"}, bounds]}
        assert MongodbOrigin.condition(Selection(), Range()) == "{}"

    @pytest.mark.parametrize("where", ["total > 1", "[]", '"x"'])
    def test_sql_is_no_query_of_mongodb(self, where: str) -> None:
        with pytest.raises(DroplessError, match="JSON"):
            MongodbOrigin.condition(Selection(where), Range())


class TestSignals:
    def test_a_signal_is_what_debezium_documents(self) -> None:
        made = signals.execute("s1", "public.orders", "true", {"backfill": "b1"})
        data = json.loads(made.data)
        assert made.type == "execute-snapshot"
        assert data["type"] == "incremental"
        assert data["data-collections"] == ["public.orders"]
        assert data["additional-conditions"] == [{"data-collection": ".*", "filter": "true"}]

    def test_ours_comes_back_and_what_others_wrote_is_not_ours(self) -> None:
        made = signals.note("n1", Note.PAUSED, "paused", {"backfill": "b1", "done": 2**40})
        assert Signal.read(made.id, made.type, made.data) == made
        for data in (None, "", "{", "[1]", '{"dropless": 5}', '{"dropless": "[]"}', '{"message": "by hand"}'):
            assert Signal.read("x", "log", data).ours == {}

    @pytest.mark.parametrize(
        ("table", "named"),
        [
            ("public.orders", "public.orders"),
            ("public.or$ders(1)", r"public.or\$ders\(1\)"),
            ('"Ware.house"."Stück, ""lager"""', '"Ware.house"."Stück, ""lager"""'),
        ],
    )
    def test_a_table_is_named_as_debezium_reads_names(self, table: str, named: str) -> None:
        assert postgresql_collection(PostgresqlTable(database="d", table=table, key=("id",))) == named

    def test_rows_of_both_databases_are_read_and_deleted_ones_are_not(self) -> None:
        made = signals.execute("s1", "public.orders", "true", {"backfill": "b1"})
        row = {"op": "c", "after": {"id": made.id, "type": made.type, "data": made.data}}
        headers = {"__debezium.context.runId": "r1"}
        assert signals.seen(orjson.dumps(row), headers) == Seen(made, "r1")
        document = orjson.dumps({"_id": made.id, "type": made.type, "payload": json.loads(made.data)}).decode()
        found = signals.seen(orjson.dumps({"op": "c", "after": document}), headers)
        assert found
        assert found.signal.ours == made.ours
        opened = orjson.dumps({"_id": "w-open", "type": "snapshot-window-open", "payload": ""}).decode()
        assert signals.seen(orjson.dumps({"op": "c", "after": opened}), {}) == Seen(
            Signal("w-open", "snapshot-window-open", "", {}), ""
        )
        assert signals.seen(None, headers) is None
        assert signals.seen(orjson.dumps({"op": "d", "after": None, "before": row["after"]}), headers) is None


def record(id_: str, type_: str = "log", run: str = "r1") -> Seen:
    return Seen(Signal(id_, type_, "", {}), run)


class TestFollowing:
    ALL = ("old", "s", "1-open", "1-close", "2-open", "2-close")

    def follow(self, *records: Seen) -> Following:
        made = Following("s", {"old"})
        for each in records:
            made.see(each)
        return made

    def windows(self, *numbers: int, run: str = "r1") -> list[Seen]:
        return [
            record(f"{number}-{what}", f"snapshot-window-{what}", run)
            for number in numbers
            for what in ("open", "close")
        ]

    def test_it_is_done_when_all_that_is_written_has_come_out(self) -> None:
        signal = record("s", signals.EXECUTE)
        assert self.follow().verdict({"old"}) is Verdict.WAITING
        assert self.follow(signal).verdict({"old", "s", "1-open", "1-close"}) is Verdict.WAITING
        assert self.follow(signal, *self.windows(1)).verdict(self.ALL) is Verdict.WAITING
        assert self.follow(signal, *self.windows(1, 2)).verdict(self.ALL) is Verdict.DONE

    def test_a_signal_that_opens_no_window_was_refused(self) -> None:
        assert self.follow(record("s", signals.EXECUTE)).verdict({"old", "s"}) is Verdict.REFUSED

    def test_a_lone_window_held_nothing(self) -> None:
        made = self.follow(record("s", signals.EXECUTE), *self.windows(1))
        assert made.verdict({"old", "s", "1-open", "1-close"}) is Verdict.NOTHING

    def test_a_worker_that_was_restarted_in_it_makes_it_be_asked_again(self) -> None:
        made = self.follow(record("s", signals.EXECUTE), *self.windows(1), *self.windows(2, run="r2"))
        assert made.verdict(self.ALL) is Verdict.AGAIN

    def test_what_an_earlier_worker_left_before_it_does_not_count(self) -> None:
        made = self.follow(*self.windows(0, run="r0"), record("s", signals.EXECUTE), *self.windows(1, 2))
        assert made.verdict({*self.ALL, "0-open", "0-close"}) is Verdict.DONE

    def test_a_strangers_signal_is_waited_for(self) -> None:
        made = self.follow(record("s", signals.EXECUTE), *self.windows(1, 2))
        assert made.verdict({*self.ALL, "by hand"}) is Verdict.WAITING


class TestState:
    BEGUN = signals.note("n1", Note.BEGUN, "", {**PLAN.kept(), "at": 1.0, "done": 0})

    def slice(self, at: float, after: list[str] | None, done: int, backfill: str = "b1") -> Signal:
        ours = {"backfill": backfill, "at": at, "after": after, "done": done}
        return signals.execute(f"s{at}", "public.orders", "true", ours)

    def test_there_is_none_before_the_first(self) -> None:
        assert state([]) is None
        assert state([Signal.read("x", "log", '{"message": "by hand"}')]) is None

    def test_it_is_where_its_newest_slice_begins(self) -> None:
        found = state([self.slice(3.0, ["1", "a"], 2000), self.BEGUN, self.slice(2.0, None, 0)])
        assert found
        assert found.plan == PLAN
        assert (found.note, found.done, found.after, found.ended) == (Note.BEGUN, 2000, ("1", "a"), False)
        assert found.part == 0.4

    def test_a_note_is_the_state_until_the_next(self) -> None:
        told = [self.BEGUN, self.slice(2.0, None, 0)]
        for at, what in enumerate((Note.PAUSED, Note.RESUMED, Note.STOPPING, Note.STOPPED), start=3):
            told.append(signals.note(f"n{at}", what, "", {"backfill": "b1", "done": 0, "at": float(at)}))
            found = state(told)
            assert found
            assert found.note is what
            assert found.ended == (what is Note.STOPPED)

    def test_when_it_is_completed_all_of_it_is_done_although_rows_were_deleted_meanwhile(self) -> None:
        end = signals.note("n9", Note.COMPLETED, "", {"backfill": "b1", "done": 4990, "at": 9.0})
        found = state([self.BEGUN, end])
        assert found
        assert (found.part, found.done) == (1.0, 4990)

    def test_only_the_newest_backfill_counts(self) -> None:
        later = replace(PLAN, id="b2", rows=1)
        begun = signals.note("n5", Note.BEGUN, "", {**later.kept(), "at": 5.0, "done": 0})
        found = state([begun, self.BEGUN, self.slice(6.0, ["7", "a"], 4000)])
        assert found
        assert (found.plan.id, found.done, found.after) == ("b2", 0, None)


class TestSources:
    CONTRACT = orders()

    def backfills(self, tmp_path: Path, *names: str) -> Backfills:
        return Backfills(endpoints(), self.CONTRACT, chosen(self.CONTRACT, names), tmp_path)

    def test_all_of_them_or_those_that_are_named_once(self) -> None:
        assert [each.name for each in chosen(self.CONTRACT, ())] == ["store", "webshop", "marketplace"]
        assert [each.name for each in chosen(self.CONTRACT, ("webshop", "webshop"))] == ["webshop"]
        with pytest.raises(DroplessError, match="no source 'shop'; it has store, webshop, marketplace"):
            chosen(self.CONTRACT, ("shop",))

    def test_a_key_belongs_to_one_source_and_a_condition_to_one_kind_of_database(self, tmp_path: Path) -> None:
        with pytest.raises(DroplessError, match="A key is one source's own"):
            self.backfills(tmp_path, "store", "webshop").run(None, ["1"], None)
        with pytest.raises(DroplessError, match="SQL for PostgreSQL, JSON for MongoDB"):
            self.backfills(tmp_path).run("1 = 1", [], None)
