"""What a data scientist does with the lake, with a data scientist's credentials, against the real object store."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import httpx
import orjson
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from program import DROPLESS
from s3_proxy import Fault, nothing, proxy
from small_union import eventually

from dropless import Lake, names, passwords
from dropless.contract import Contract
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake.maintenance import tables_of
from dropless.lake.merge import Merge
from dropless.lake.published import after_merge
from dropless.lake.schema import changes_schema
from dropless.lake.store import Store
from dropless.lake.table import ChangesTable
from dropless.settings import Settings

pytestmark = pytest.mark.timeout(400)
FILES, ROWS = 4, 50_000
BUYER = "ada.lovelace@example.org"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Given:
    """A table of this test's own, published, and who may read what of it."""

    contract: Contract
    pipeline: Store
    reader: Store
    scientist: Store

    @property
    def name(self) -> str:
        return self.contract.name

    @property
    def lake(self) -> Lake:
        return Lake(self.scientist)


@pytest.fixture(scope="module")
def given(endpoints: Endpoints, settings: Settings) -> Iterator[Given]:
    contract = declared(settings, "orders").model_copy(update={"name": f"people_{uuid.uuid4().hex[:8]}"})
    made = Given(contract, Store.pipeline(endpoints), Store.reader(endpoints), Store.scientist(endpoints))
    schema = changes_schema(contract)
    for number in range(FILES):
        table = ChangesTable(made.pipeline, names.changes_table(made.name), "unified.x", schema, "Every change.")
        table.append(changes(schema, number * ROWS), {0: (number + 1) * ROWS})
    Merge(made.pipeline, made.name, contract.description).run()
    after_merge(settings, made.pipeline, contract)
    yield made
    client = made.pipeline.client()
    for folder in (each for name in tables_of(made.name) for each in (name, f"{names.PUBLIC_FOLDER}/{name}")):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=f"{folder}/"):
            if objects := [{"Key": each["Key"]} for each in page.get("Contents", [])]:
                client.delete_objects(Bucket="lake", Delete={"Objects": objects})


def changes(schema: pa.Schema, first: int) -> pa.Table:
    numbers = range(first, first + ROWS)
    text = pa.array([f"{number:09}" for number in numbers])
    at = pa.array([BEGAN + timedelta(seconds=number, microseconds=1) for number in numbers], pa.timestamp("us", "UTC"))
    told = {
        "order_id": text,
        "customer_id": pa.repeat(BUYER, ROWS),
        "amount": pa.array([Decimal(number) / 100 for number in numbers], pa.decimal128(18, 2)),
        "status": pa.repeat("paid", ROWS),
        "item_count": pa.array([number if number % 3 else None for number in numbers], pa.int32()),
        "loyalty_points": pa.array([2**60 + number if number % 2 else None for number in numbers], pa.int64()),
        "placed_at": at,
        "_key": pc.binary_join_element_wise("shop", text, ":"),
        "_source": pa.repeat("shop", ROWS),
        "_op": pa.repeat("c", ROWS),
        "_deleted": pa.repeat(pa.scalar(False), ROWS),
        "_committed_at": at,
        "_topic": pa.repeat("raw.x.shop", ROWS),
        "_partition": pa.repeat(pa.scalar(0, pa.int32()), ROWS),
        "_offset": pa.array(numbers, pa.int64()),
        "_position": pa.array(numbers, pa.int64()),
        "_committed_on": pa.repeat(pa.scalar(BEGAN.date()), ROWS),
    }
    return pa.table([told.get(field.name, pa.nulls(ROWS, field.type)) for field in schema], schema=schema)


def command(*arguments: str) -> list[str]:
    return [*DROPLESS, "lake", *arguments]


def told(*arguments: str) -> Any:
    return orjson.loads(subprocess.check_output(command(*arguments, "--json"), timeout=60))


def refused(ask: Callable[..., object], **arguments: object) -> bool:
    with pytest.raises(ClientError) as caught:
        ask(Bucket=arguments.pop("Bucket", "lake"), **arguments)
    return caught.value.response["Error"]["Code"] in ("AccessDenied", "403")


def test_the_published_rows_are_all_rows_without_personal_columns(given: Given):
    table = given.lake.table(given.name)
    assert "customer_id" not in table.columns
    assert len(table) == FILES * ROWS
    whole = Lake(given.reader).table(given.name)
    assert whole.to_arrow(["customer_id"], "_position = 7")["customer_id"].to_pylist() == [BUYER]
    total = f"select sum(amount), max(_position) from {given.name}"
    assert given.lake.sql(total).to_arrow().equals(Lake(given.reader).sql(total).to_arrow())
    assert table.fresh_until == whole.fresh_until
    assert len(table.now()) == FILES * ROWS


def test_a_data_scientist_reads_what_is_published_and_nothing_else(given: Given, endpoints: Endpoints):
    client, own = given.scientist.client(), f"{names.PUBLIC_FOLDER}/{given.name}"
    listed = given.reader.client().list_objects_v2(Bucket="lake", Prefix=f"{given.name}/")["Contents"]
    assert len(listed) > 1
    for each in listed:
        assert refused(client.get_object, Key=each["Key"])
    log = f"{own}/_delta_log/00000000000000000000.json"
    assert client.get_object(Bucket="lake", Key=log)["Body"].read()
    assert refused(client.put_object, Key=f"{own}/x", Body=b"x")
    assert refused(client.put_object, Key=log, Body=b"x")
    assert refused(client.delete_object, Key=log)
    assert refused(client.copy_object, Key=f"{own}/x", CopySource={"Bucket": "lake", "Key": log})
    assert refused(client.list_objects_v2, Bucket="pinot")
    with pytest.raises(DeltaError, match="AccessDenied"):
        write_deltalake(given.scientist.uri("x"), pa.table({"x": [1]}), storage_options=given.scientist.options())
    # The databases know no such user.
    with pytest.raises(psycopg.OperationalError, match=r"authentication failed|does not exist"):
        psycopg.connect(
            host=endpoints.postgresql_host,
            port=endpoints.postgresql_port,
            dbname="store",
            user=given.scientist.access_key,
            password=passwords.read(endpoints.secrets, "minio_scientist"),
            connect_timeout=5,
        )


def test_what_a_data_scientist_can_fetch_tells_of_nobody(given: Given):
    client = given.scientist.client()
    found = 0
    for folder in (given.name, names.changes_table(given.name)):
        for each in client.list_objects_v2(Bucket="lake", Prefix=f"{names.PUBLIC_FOLDER}/{folder}/")["Contents"]:
            content = client.get_object(Bucket="lake", Key=each["Key"])["Body"].read()
            if each["Key"].endswith(".parquet"):
                found += 1
                assert "customer_id" not in pq.read_schema(pa.BufferReader(content)).names
            assert BUYER.encode() not in content
    assert found >= 2


def test_types_survive_in_pandas(given: Given):
    columns = ["amount", "item_count", "loyalty_points", "placed_at", "gift", "promised_on"]
    frame = given.lake.table(given.name).to_pandas(columns, where="_position in (0, 1)")
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds == {
        "amount": "decimal128(18, 2)[pyarrow]",
        "item_count": "int32[pyarrow]",
        "loyalty_points": "int64[pyarrow]",
        "placed_at": "timestamp[us, tz=UTC][pyarrow]",
        "gift": "bool[pyarrow]",
        "promised_on": "date32[day][pyarrow]",
    }
    frame = frame.sort_values("placed_at")
    assert frame["loyalty_points"].tolist() == [pd.NA, 2**60 + 1]
    assert frame["placed_at"].iloc[1].microsecond == 1
    assert frame["amount"].sum() == Decimal("0.01")


def test_columns_and_filters_are_pushed_down_to_the_files(given: Given):
    def read(take: Callable[[Lake], int]) -> tuple[int, int]:
        fault = Fault("none", nothing)
        with proxy(given.scientist, fault) as address:
            rows = take(Lake(replace(given.scientist, endpoint=address)))
        return fault.read, rows

    name = names.changes_table(given.name)
    opened, _ = read(lambda lake: lake.table(name).version)
    everything, rows = read(lambda lake: len(lake.table(name).to_arrow()))
    assert rows == FILES * ROWS
    one_column, rows = read(lambda lake: len(lake.table(name).to_pandas(["item_count"])))
    assert rows == FILES * ROWS
    few_rows, rows = read(lambda lake: len(lake.table(name).to_polars(where=f"_offset >= {3 * ROWS}")))
    assert rows == ROWS
    both, rows = read(
        lambda lake: len(lake.sql(f"select item_count from {name} where _offset >= {3 * ROWS}").to_arrow())
    )
    assert rows == ROWS
    print({"opened": opened, "everything": everything, "one_column": one_column, "few_rows": few_rows, "both": both})
    assert one_column - opened < 0.25 * (everything - opened)
    assert few_rows - opened < 0.4 * (everything - opened)
    # Of each file the footer is read, some 64 kB of its end, which is much of files as small as these.
    assert both - opened < 0.2 * (everything - opened)


def test_other_engines_open_it_unchanged(given: Given):
    uri, options = given.scientist.uri(given.name), given.scientist.options()
    total = sum(range(FILES * ROWS)) / 100
    assert DeltaTable(uri, storage_options=options).to_pandas(columns=["amount"])["amount"].sum() == Decimal(str(total))
    scanned = pl.scan_delta(uri, storage_options=options).select(pl.col("amount").sum(), pl.len()).collect()
    assert scanned.row(0) == (Decimal(str(total)), FILES * ROWS)
    with duckdb.connect() as database:
        database.register("orders", DeltaTable(uri, storage_options=options).to_pyarrow_dataset())
        assert database.sql("select count(distinct _key) from orders").fetchall() == [(FILES * ROWS,)]


def test_a_published_table_is_read_as_it_was(given: Given, settings: Settings):
    before = given.lake.table(given.name)
    schema = changes_schema(given.contract)
    ChangesTable(given.pipeline, names.changes_table(given.name), "unified.x", schema).append(
        changes(schema, FILES * ROWS).slice(0, 10), {0: FILES * ROWS + 10}
    )
    Merge(given.pipeline, given.name).run()
    after_merge(settings, given.pipeline, given.contract)
    now = given.lake.table(given.name)
    assert now.version > before.version
    assert len(now) == FILES * ROWS + 10
    assert len(now.as_of(before.history(1)[0]["timestamp"])) == len(now.as_of(before.version)) == FILES * ROWS
    # The other tests count.
    frame = now.to_polars(["_position"], where=f"_position >= {FILES * ROWS}")
    assert frame.height == 10


def test_the_command_lists_describes_and_pulls(given: Given, tmp_path: Path):
    listed = {each["table"]: each for each in told("ls")}
    assert listed[given.name]["rows"] >= FILES * ROWS
    assert listed[given.name]["description"] == given.contract.description
    assert not any(each.startswith(names.PUBLIC_FOLDER) for each in Lake(given.reader).names())
    described = told("describe", given.name)
    meaning = {each["name"]: each["description"] for each in described["columns"]}
    assert meaning["amount"] == given.contract.column("amount").description
    assert "customer_id" not in meaning
    assert described["history"][0]["version"] == described["version"]
    page = httpx.get(described["dictionary"])
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<section id="orders">' in page.raise_for_status().text
    out = tmp_path / "some.csv"
    pulled = told("pull", given.name, "-o", str(out), "--where", "_position < 100", "--columns", "order_id,amount")
    assert pulled["rows"] == 100
    read = pacsv.read_csv(out)
    assert read.column_names == ["order_id", "amount"]
    assert max(read["amount"].to_pylist()) == pytest.approx(0.99)
    old = tmp_path / "old.parquet"
    first = described["history"][-1]["version"]
    assert told("pull", given.name, "-o", str(old), "--as-of", str(first))["rows"] == pq.read_table(old).num_rows == 0
    whole = told("pull", given.name, "--personal", "-o", str(old), "--where", "_position = 5")
    assert whole["rows"] == 1
    assert pq.read_table(old)["customer_id"].to_pylist() == [BUYER]


def test_an_interrupted_pull_leaves_no_half_file(given: Given, tmp_path: Path):
    out = tmp_path / "orders.csv"
    out.write_text("as it was")
    process = subprocess.Popen(command("pull", names.changes_table(given.name), "-o", str(out)), stderr=subprocess.PIPE)
    assert eventually(lambda: any(each.stat().st_size for each in tmp_path.glob(".orders*")), 30)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said.decode()
    assert [each.name for each in tmp_path.iterdir()] == ["orders.csv"]
    assert out.read_text() == "as it was"


def test_a_profile_says_which_lake(given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "lake.toml"
    store = given.reader
    file.write_text(
        f'[work]\nendpoint = "{store.endpoint}"\naccess_key = "{store.access_key}"\n'
        f'secret_key = "{store.secret_key}"\npersonal = true\n'
    )
    monkeypatch.setenv("DROPLESS_LAKE_PROFILES", str(file))
    file.chmod(0o644)
    with pytest.raises(DroplessError, match="can be read by others"):
        Lake.connect(profile="work")
    file.chmod(0o600)
    assert "customer_id" in Lake.connect(profile="work").table(given.name).columns
    assert "customer_id" not in Lake.connect(profile="work", personal=False).table(given.name).columns
    with pytest.raises(DroplessError, match="has no profile 'wrok'; it has: work"):
        Lake.connect(profile="wrok")


def test_personal_columns_take_credentials_that_may_see_them(given: Given):
    with pytest.raises(DroplessError, match=r"cannot be read|refused"):
        Lake(replace(given.scientist, folder="")).table(given.name)
    assert "DROPLESS_LAKE_PERSONAL" not in os.environ
