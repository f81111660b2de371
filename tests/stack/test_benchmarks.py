"""The benchmarks in their smallest form, so that they do not rot, and that a wrong run has no figure."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import added_latency
from benchmarks.bench import QUICK, SEED, Bench
from benchmarks.lab import Lab
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
