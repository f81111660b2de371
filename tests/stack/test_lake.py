"""The lake writer and the lake's client against the real brokers and the real object store."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import botocore.exceptions
import duckdb
import orjson
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from s3_proxy import Fault, any_put, proxy
from small_lake import COMMITTED, KEYS, SmallLake
from small_union import eventually, in_background, status

from dropless import Lake
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake.store import Store, probe_conditional_put
from dropless.settings import Settings

pytestmark = pytest.mark.timeout(300)
DROPLESS = [sys.executable, "-c", "from dropless.cli import main; main()"]


def test_rows_arrive_with_exact_types_and_the_status_says_so(lake: SmallLake):
    lake.write_rows(1000)
    process, port = lake.writer()
    lake.check()
    row = lake.table_now().to_arrow(where="_offset = 999").to_pylist()[0]
    assert row["amount"] == Decimal("999.10")
    assert row["_committed_at"].microsecond == (COMMITTED + 999) % 1_000_000
    assert str(row["_committed_on"]) == "2025-11-24"
    told = status(port)
    assert told["rows_out"] == 1000
    assert told["version"] >= 1
    assert eventually(lambda: set(status(port)["lag"].values()) == {0})
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 5


def test_a_stopped_writer_leaves_nothing_behind(lake: SmallLake):
    process, port = lake.writer()
    eventually(lambda: status(port)["state"] == "running")
    lake.write_rows(400)
    eventually(lambda: status(port)["rows_buffered"] + status(port)["rows_out"] == 400)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert lake.found() == Counter(range(400))


def test_killed_writers_write_each_row_once(lake: SmallLake):
    process, _ = lake.writer()
    with in_background(lambda: lake.write_rows(20_000, rate=2000)):
        for pause in (1.5, 1.1, 1.9, 1.3, 1.7):
            time.sleep(pause)
            process.kill()
            process.wait()
            process, _ = lake.writer()
    lake.check()


def test_two_writers_at_once_write_each_row_once(lake: SmallLake):
    _, first = lake.writer()
    _, second = lake.writer()
    with in_background(lambda: lake.write_rows(16_000, rate=2000)):
        eventually(lambda: status(first)["rows_out"] + status(second)["rows_out"] > 2000)
    lake.check()
    # Else this test shows nothing: they must have met.
    assert status(first)["conflicts"] + status(second)["conflicts"] > 0


def test_a_writer_that_was_suspended_is_fenced_by_its_heir(lake: SmallLake):
    zombie, port = lake.writer()
    lake.write_rows(600)
    eventually(lambda: status(port)["rows_out"] == 600)
    lake.write_rows(600)
    eventually(lambda: status(port)["rows_buffered"] > 0)
    zombie.send_signal(signal.SIGSTOP)
    _, heir = lake.writer()
    lake.write_rows(600)
    eventually(lambda: status(heir)["rows_out"] == 1200)
    zombie.send_signal(signal.SIGCONT)
    assert eventually(lambda: status(port)["conflicts"] == 1)
    lake.check()


def test_a_topic_that_was_made_anew_is_refused_with_a_sentence(lake: SmallLake):
    process, port = lake.writer()
    lake.write_rows(400)
    eventually(lambda: status(port)["rows_out"] == 400)
    process.kill()
    process.wait()
    for future in lake.admin.delete_topics([lake.unified]).values():
        future.result(30)
    eventually(lambda: lake.unified not in lake.admin.list_topics(timeout=5).topics)
    lake.make_topics(lake.unified)
    process, _ = lake.writer()
    assert process.wait(20) == 1
    assert "the topic was made anew or lost records" in lake.log("lake")


def test_the_current_state_has_the_newest_change_of_each_key_and_no_deletions(lake: SmallLake):
    lake.write_rows(1000)
    lake.writer()
    lake.check()
    client = Lake(Store.reader(lake.endpoints))
    newest = {number % KEYS: number for number in range(1000)}
    expected = {f"shop:{key}": Decimal(f"{number}.10") for key, number in newest.items() if number % 50}
    current = client.table(lake.table)
    frame = current.to_polars(["_key", "amount"])
    assert dict(frame.iter_rows()) == expected
    (total,) = client.sql(f"select sum(amount) from {lake.table}").to_arrow().columns
    assert total.to_pylist() == [sum(expected.values())]
    high = current.to_arrow(where="amount > 990")["amount"].to_pylist()
    assert sorted(high) == sorted(amount for amount in expected.values() if amount > 990)


def test_a_table_is_read_as_it_was(lake: SmallLake):
    _, port = lake.writer()
    lake.write_rows(200)
    eventually(lambda: status(port)["rows_out"] == 200)
    before = lake.table_now()
    lake.write_rows(200)
    eventually(lambda: status(port)["rows_out"] == 400)
    now = lake.table_now()
    assert len(before) == 200
    assert len(now) == 400
    assert len(now.as_of(before.version)) == 200
    assert len(now.as_of(before.history(1)[0]["timestamp"])) == 200
    assert len(now.as_of(before.version).to_polars()) == 200
    with pytest.raises(DroplessError, match="has no version 99999"):
        now.as_of(99999)
    with pytest.raises(DroplessError, match="was made at"):
        now.as_of("2020-01-01")


def test_types_survive_in_pandas(lake: SmallLake):
    lake.write_rows(200)
    lake.writer()
    lake.check()
    frame = lake.table_now().to_pandas(["amount", "note", "_position", "_committed_at"], where="_position < 10")
    assert str(frame["amount"].dtype).startswith("decimal128(18, 2)")
    assert str(frame["_position"].dtype).startswith("int64")
    assert frame["note"].isna().sum() == 6


def test_other_engines_open_the_table_unchanged(lake: SmallLake):
    lake.write_rows(200)
    lake.writer()
    lake.check()
    reader = Store.reader(lake.endpoints)
    uri, options = reader.uri(lake.changes), reader.options()
    assert pl.scan_delta(uri, storage_options=options).select(pl.len()).collect().item() == 200
    with duckdb.connect() as connection:
        connection.register("changes", DeltaTable(uri, storage_options=options).to_pyarrow_dataset())
        assert connection.sql("select count(*) from changes").fetchall() == [(200,)]


def test_unknown_names_are_answered_with_the_nearest(lake: SmallLake):
    lake.write_rows(10)
    lake.writer()
    lake.check()
    with pytest.raises(DroplessError, match=f"no table '{lake.table}_change'; did you mean '{lake.changes}'"):
        Lake(Store.reader(lake.endpoints)).table(f"{lake.table}_change")
    with pytest.raises(DroplessError, match="no column 'amuont'; did you mean 'amount'"):
        lake.table_now().to_arrow(["amuont"])
    with pytest.raises(DroplessError, match='"amuont" not found'):
        lake.table_now().to_arrow(where="amuont > 1")


def test_a_data_scientist_can_read_and_nothing_else(lake: SmallLake):
    lake.write_rows(10)
    lake.writer()
    lake.check()
    reader = Store.reader(lake.endpoints)
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        reader.client().put_object(Bucket="lake", Key=f"{lake.changes}/x", Body=b"x")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        reader.client().delete_object(Bucket="lake", Key=f"{lake.changes}/_delta_log/00000000000000000000.json")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        reader.client().list_objects_v2(Bucket="pinot")
    with pytest.raises(DeltaError, match="AccessDenied"):
        write_deltalake(reader.uri(f"{lake.changes}/x"), pa.table({"x": [1]}), storage_options=reader.options())


def test_the_object_store_keeps_the_promise_that_commits_rest_on(lake: SmallLake):
    probe_conditional_put(lake.store)


def test_a_store_that_forgets_conditions_is_refused_with_a_sentence(lake: SmallLake):
    lake.write_rows(10)
    with proxy(lake.store, Fault("careless", any_put)) as address:
        process, _ = lake.writer("--s3", address)
        assert process.wait(30) == 1
    assert "let 8 of 8 writers win a conditional put where one must win" in lake.log("lake")
    assert lake.found() == Counter()


def test_it_waits_for_its_topic_without_a_crash(tmp_path: Path, endpoints: Endpoints, settings: Settings):
    lake = SmallLake(tmp_path, endpoints, settings)
    process, port = lake.writer()
    try:
        assert eventually(lambda: status(port)["state"] == "waiting for topics")
        lake.make_topics()
        lake.write_rows(100)
        lake.check()
        assert process.poll() is None
    finally:
        lake.remove()


def test_pulling_writes_the_rows_into_a_file(lake: SmallLake, tmp_path: Path):
    lake.write_rows(500)
    lake.writer()
    lake.check()
    out = tmp_path / "rows.parquet"
    command = [
        "lake",
        "pull",
        lake.changes,
        "-o",
        str(out),
        "--where",
        "_offset >= 100",
        "--columns",
        "amount",
        "--json",
    ]
    # Nothing is published before a merge.
    environment = lake.environment | {"DROPLESS_LAKE_PERSONAL": "1"}
    told = orjson.loads(subprocess.check_output([*DROPLESS, *command], timeout=60, env=environment))
    assert told["rows"] == pl.read_parquet(out).height == 400
    assert pl.read_parquet(out).schema == {"amount": pl.Decimal(18, 2)}
    listed = orjson.loads(subprocess.check_output([*DROPLESS, "lake", "ls", "--json"], timeout=60, env=environment))
    assert {"table": lake.changes, "rows": 500} in [{"table": e["table"], "rows": e["rows"]} for e in listed]
