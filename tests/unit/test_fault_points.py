"""Where a test may have the worker killed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from dropless.errors import DroplessError
from dropless.fault_points import pass_by
from dropless.lake.fault_points import FAULTS as LAKE_FAULTS
from dropless.union.fault_points import FAULTS, Point

TRANSACTIONS = """
import os, sys, time
from dropless.union.fault_points import FAULTS, Point
reached = FAULTS.reached(os.environ)
for number in range(1, 6):
    for point in (Point.BEFORE_PRODUCE, Point.AFTER_PRODUCE, Point.AFTER_OFFSETS):
        print(number, point, flush=True)
        reached(point)
    print(number, "commit", flush=True)
    time.sleep(float(sys.argv[1]))
    print(number, Point.AFTER_COMMIT, flush=True)
    reached(Point.AFTER_COMMIT)
"""


def last_words(fault_point: str, commit_seconds: float = 0) -> str:
    """The last line of a process that runs five transactions and must be killed in one of them."""
    done = subprocess.run(
        [sys.executable, "-c", TRANSACTIONS, str(commit_seconds)],
        env={"DROPLESS_FAULT_POINT": fault_point},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL
    return [line for line in done.stdout.splitlines() if line[1] == " "][-1]


def test_nothing_happens_unless_a_point_is_named():
    assert FAULTS.reached({}) is LAKE_FAULTS.reached({}) is pass_by


@pytest.mark.parametrize("point", [point for point in Point if point is not Point.DURING_COMMIT])
def test_a_process_is_killed_at_its_point(point: Point):
    assert last_words(f"{point}:3") == f"3 {point}"


def test_a_commit_is_in_flight_when_it_is_killed_even_if_it_was_faster_first():
    assert last_words("during-commit:2:500", commit_seconds=10) == "2 commit"
    assert last_words("during-commit:1:300", commit_seconds=0.2).endswith("commit")


@pytest.mark.parametrize("text", ["somewhere", "after-commit:x", "after-commit:1:soon"])
def test_a_mistaken_point_is_one_sentence(text: str):
    with pytest.raises(DroplessError, match=f"{text}.*before-produce, after-produce"):
        FAULTS.reached({"DROPLESS_FAULT_POINT": text})


COMMITS = """
import os, sys, time
from dropless.lake.fault_points import FAULTS, Point
reached = FAULTS.reached(os.environ)
reached(Point.BEFORE_COMMIT)
print("commit", flush=True)
time.sleep(float(sys.argv[1]))
reached(Point.AFTER_COMMIT)
print("after", flush=True)
time.sleep(20)
"""


@pytest.mark.parametrize(("commit_seconds", "words"), [(20, ["commit"]), (0, ["commit", "after"])])
def test_the_lakes_one_commit_is_killed_in_it_or_just_after(commit_seconds: int, words: list[str]):
    done = subprocess.run(
        [sys.executable, "-c", COMMITS, str(commit_seconds)],
        env={LAKE_FAULTS.variable: "during-commit:1:500"},
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL
    assert [line for line in done.stdout.splitlines() if line in {"commit", "after"}] == words
