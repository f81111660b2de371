"""`dropless query` against the real Pinot."""

from __future__ import annotations

import csv
import os
import subprocess
import sys

import orjson
import pytest

from dropless.settings import Settings

DROPLESS = [sys.executable, "-c", "from dropless.cli import main; main()"]


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **settings.environment()}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*DROPLESS, "query", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_query_answers_with_columns_rows_and_its_time(environment: dict[str, str]):
    done = run(environment, "select count(*) as orders from orders", "--json")
    told = orjson.loads(done.stdout)
    assert told["columns"] == ["orders"]
    assert told["rows"][0][0] > 0
    assert told["milliseconds"] > 0


def test_a_query_as_csv_keeps_amounts_exact(environment: dict[str, str]):
    done = run(environment, "select order_id, amount from orders where amount is not null limit 5", "--csv")
    header, *rows = csv.reader(done.stdout.splitlines())
    assert header == ["order_id", "amount"]
    assert len(rows) == 5


@pytest.mark.parametrize("condition", ["amount > 100", "amount between 1 and 100.5", "amount = 12.34", "amount < 0"])
def test_amounts_can_be_compared_while_they_stream_in(environment: dict[str, str], condition: str):
    done = run(environment, f"select count(*) from orders where {condition}", "--json")
    assert done.returncode == 0, done.stderr
    total = run(environment, "select count(*) from orders", "--json")
    assert orjson.loads(done.stdout)["rows"][0][0] < orjson.loads(total.stdout)["rows"][0][0]


def test_ten_rows_without_a_limit_come_with_a_warning(environment: dict[str, str]):
    assert "no LIMIT" in run(environment, "select order_id from orders").stderr
    assert "no LIMIT" not in run(environment, "select order_id from orders limit 10").stderr


@pytest.mark.parametrize("sql", ["selct 1", "select nope from orders", "select * from nope"])
def test_a_wrong_query_is_one_sentence_and_a_failure(environment: dict[str, str], sql: str):
    done = run(environment, sql)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
