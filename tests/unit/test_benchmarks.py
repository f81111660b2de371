"""The benchmarks' own arithmetic and input: a wrong figure is worse than none."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest

from benchmarks import blocks
from benchmarks.conditions import MOST_STEAL, Noise
from benchmarks.goals import GOALS, METHODS
from benchmarks.lab import Written
from benchmarks.lake.rows import Rows
from benchmarks.meter import Course, Look
from benchmarks.payload import records
from benchmarks.result import Pairs
from benchmarks.statistics import median, percentile, percentile_estimate
from benchmarks.suite import KNOWN
from benchmarks.table import TABLE, table
from dropless.declared import declared
from dropless.errors import DroplessError
from dropless.settings import Settings
from dropless.union.outcome import Row
from dropless.union.worker import routes

CALM = Noise(10, 0.0, 0.1, 0.0, 0.0, 0.9, 1.5)
STOLEN = Noise(10, MOST_STEAL + 0.01, 0.1, 0.0, 0.0, 0.9, 1.5)


def test_the_input_has_equal_shares_of_creates_updates_and_deletes_with_tombstones() -> None:
    found = Counter(
        "tombstone" if record.value is None else orjson.loads(record.value)["op"] for record in records(1, 300)
    )

    assert found == {"c": 300, "u": 300, "d": 300, "tombstone": 300}


def test_the_union_maps_every_change_of_the_input() -> None:
    mappers = {each.source: each.mapper for each in routes(declared(Settings.load(), "orders")).values()}
    outcomes = Counter(
        type(mappers[record.source](record.key, record.value, 0, 1)).__name__ for record in records(7, 300)
    )

    assert outcomes == {Row.__name__: 900, "NoneType": 300}


def test_an_order_of_the_input_is_made_changed_and_ended_in_this_order() -> None:
    lives = defaultdict(list)
    for record in records(3, 60):
        lives[record.source, record.key].append(record.value and orjson.loads(record.value))

    assert len(lives) == 60
    for made, changed, ended, tombstone in lives.values():
        assert [made["op"], changed["op"], ended["op"], tombstone] == ["c", "u", "d", None]
        assert made["before"] is None
        assert changed["before"] == made["after"]
        assert ended["before"] == changed["after"]
        assert ended["after"] is None


def test_the_same_seed_gives_the_same_input() -> None:
    assert list(records(5, 20)) == list(records(5, 20)) != list(records(6, 20))


def test_a_median_lies_within_its_interval_and_the_interval_narrows_with_more_values() -> None:
    few, many = median([0.9, 1.0, 1.1]), median([0.9, 1.0, 1.1] * 20)

    assert few.low <= few.value == 1.0 <= few.high
    assert many.high - many.low < few.high - few.low


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile_estimate(list(range(1, 101)), 0.5).value == 50


def test_a_round_with_a_disturbed_block_does_not_count() -> None:
    pairs = Pairs()
    pairs.add({"union": 1.0}, {"union": CALM})
    pairs.add({"union": 9.0}, {"union": CALM, "C": STOLEN})

    assert pairs.column("union") == [1.0]
    assert pairs.dropped[0]["because"] == {"C": STOLEN.verdict}


def test_a_rate_leaves_the_start_and_the_end_out() -> None:
    looks = [Look(0.0, 10, 0.0, 0.0, 1), Look(1.0, 200, 1.0, 2.0, 1), Look(4.0, 800, 4.0, 8.0, 1)]
    course = Course(1000, (*looks, Look(60.0, 1000, 5.0, 9.0, 7)))

    assert course.rate == pytest.approx(200)
    assert course.cpu == pytest.approx(5000)
    assert course.broker_cpu == pytest.approx(10_000)
    assert course.resident == 7


def test_a_run_over_the_newest_records_begins_where_that_many_are_left() -> None:
    written = Written({("raw", 0): list(range(0, 100, 2)), ("raw", 1): list(range(50))}, {("raw", 0): [0, 98]})
    starts = written.starts(10)

    assert starts == {("raw", 0): 90, ("raw", 1): 45}
    assert written.between(starts) == 10
    assert written.changes_between({("raw", 0): 90}) == 1
    assert written.ends == {("raw", 0): 99, ("raw", 1): 50}


def test_an_aim_is_never_easier_than_its_must() -> None:
    for goal in GOALS:
        if goal.must is not None and goal.aim is not None:
            assert goal.reached(goal.aim, goal.must), goal


def test_the_page_is_what_the_results_give() -> None:
    assert TABLE.read_text() == table(), "run `python -m benchmarks.table`"


def test_a_void_result_has_no_figure_in_the_table(tmp_path: Path) -> None:
    told = {"benchmark": "P13", "void": "a row was lost", "quick": False, "figures": {"recovery": {}}, "absolute": {}}
    told |= {"rounds": [], "rounds_dropped": [], "noise_floor": None, "measured_at": "now"}
    machine = {"cores": 2, "cpu": "x", "memory_gib": 4, "file_system": "ext4", "fsync_ms": 1}
    told["conditions"] = {"machine": machine, "versions": {}, "commit": "c", "changed_since_commit": False}
    (tmp_path / "P13.json").write_bytes(orjson.dumps(told))
    row = next(line for line in table(tmp_path).splitlines() if line.startswith("| P13"))

    assert "void" in row
    assert "reached" not in row
    assert "P13 is void: a row was lost" in table(tmp_path)


def test_a_limit_is_reached_by_the_measured_value_alone() -> None:
    goal = next(each for each in GOALS if each.benchmark == "P13")

    assert goal.reached(1.99, goal.aim)
    assert not goal.reached(2.01, goal.aim)
    assert goal.reached(2.01, goal.must)


def test_every_benchmark_has_a_goal_and_a_method() -> None:
    assert set(KNOWN) == {goal.benchmark for goal in GOALS} == set(METHODS)


def test_the_lakes_rows_have_the_keys_and_positions_that_are_asked_for() -> None:
    rows = Rows(declared(Settings.load(), "orders"), 1, lives=60)
    keys = rows.keys(1_000, 100)
    table = rows.of(keys, 500)
    gone = rows.of(keys[:3], 600, deleted=True)

    assert len(rows.values) == 180
    assert len(set(keys)) == 100
    assert table.schema == gone.schema == rows.schema
    assert table["_key"].to_pylist() == [f"bench:{key}" for key in keys]
    assert table["_position"].to_pylist() == list(range(500, 600))
    assert set(table["_deleted"].to_pylist()) == {False}
    assert set(gone["_deleted"].to_pylist()) == {True}


def measured(monkeypatch: pytest.MonkeyPatch, *noises: Noise) -> Pairs:
    """Two rounds of two blocks each, with these noises one after the other."""
    left = iter(noises)
    monkeypatch.setattr(blocks, "Listener", lambda: SimpleNamespace(noise=lambda: next(left)))
    seen: list[str] = []
    steps = [(name, lambda name=name: seen.append(name) or {name: len(seen)}) for name in ("a", "b")]
    return blocks.Blocks().rounds(steps, 2)


def test_a_disturbed_round_is_made_again_and_the_order_turns_round(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = measured(monkeypatch, CALM, STOLEN, *[CALM] * 4)

    assert [each["values"] for each in pairs.dropped] == [{"a": 1, "b": 2}]
    assert [each["values"] for each in pairs.rounds] == [{"b": 3, "a": 4}, {"a": 5, "b": 6}]


def test_without_an_undisturbed_round_there_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = measured(monkeypatch, *[STOLEN] * 6)

    assert len(pairs.dropped) == 3
    with pytest.raises(DroplessError, match="Every round was disturbed by others, such as 'a' in the last one: steal"):
        pairs.column("a")
