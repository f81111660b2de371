"""The benchmarks in their smallest form, so that they do not rot, and that a wrong run has no figure."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import added_latency, conditions
from benchmarks.bench import QUICK, SEED, Bench
from benchmarks.lab import Lab
from benchmarks.lake import bench as lake_bench
from benchmarks.lake import growing, merging, pulling, tidying, writing
from benchmarks.lake.bench import LakeBench
from benchmarks.verify import Void
from dropless.settings import Settings

RECORDS = 30_000


@pytest.fixture
def bench(settings: Settings, tmp_path: Path) -> Iterator[Bench]:
    lab = Lab(settings, tmp_path, f"b{uuid.uuid4().hex[:10]}")
    lab.make_topics()
    yield Bench(lab, replace(QUICK, changes=RECORDS, latency_seconds=2), {})
    lab.remove()


def test_a_run_is_timed_and_audited(bench: Bench) -> None:
    bench.lab.write(SEED, RECORDS, pool=2_000)

    course = bench.union("union")

    assert course.rate > 0
    assert course.cpu > 0
    assert bench.verifier.audits.rows == bench.verifier.audits.records == bench.lab.written.changes
    assert bench.noises["union"].busy > 0


def test_a_run_that_loses_rows_is_void(bench: Bench) -> None:
    bench.lab.write(SEED, 100, pool=100)
    bench.verifier.begin(bench.lab.written.starts(100))
    bench.lab.set_back(bench.lab.written.ends)

    with pytest.raises(Void, match="lost-write"):
        bench.verifier.end()


def test_the_added_latency_is_measured(bench: Bench) -> None:
    (result,) = added_latency.measure(bench, ["P15"])

    assert result.void is None
    assert 0 < result.figures["p50 at 200/s"].value <= result.figures["p99 at 200/s"].value
    assert result.audits["rows"] == 2 * 2 * (200 + 50)


@pytest.fixture
def lake(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[LakeBench]:
    # What is shown here is what is measured, and not how quickly.
    monkeypatch.setattr(conditions, "MOST_STEAL", 1.0)
    monkeypatch.setattr(conditions, "MOST_IO_PRESSURE", 1.0)
    scale = replace(
        lake_bench.QUICK, rounds=1, state_rows=20_000, merged=500, sizes=(10_000, 20_000), changes=2_000,
        change_commits=40,
    )  # fmt: skip
    made = LakeBench(settings, scale, {})
    yield made
    made.remove()


@pytest.mark.timeout(300)
def test_every_benchmark_of_the_lake_is_timed_and_checked(lake: LakeBench) -> None:
    for measure, wanted, checks in (
        (writing.measure, ["P8"], 2),
        (merging.measure, ["L1", "L6"], 4),
        (pulling.measure, ["L2"], 5),
        (growing.measure, ["L3", "L4"], 2),
        (tidying.measure, ["L5"], 2),
    ):
        before = lake.audits["checks"]
        found = measure(lake, wanted)
        assert [each.benchmark for each in found] == wanted
        assert all(estimate.value > 0 for each in found for estimate in each.figures.values())
        assert lake.audits["checks"] == before + checks


def test_a_run_of_the_lake_that_loses_rows_is_void(lake: LakeBench) -> None:
    contract = lake.table()
    lake.append(contract, lake.rows.of(lake.rows.keys(100, 10), 0))

    with pytest.raises(Void, match="the table's rows is 10 and must be 11"):
        lake.check("the table's rows", lake.count(f"{contract.name}_changes"), 11)
