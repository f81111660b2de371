"""What a full reconciliation costs its sources: digests of a million rows against a plain read of the same rows.

    .venv/bin/python -m benchmarks.reconciliation --rows 1000000

runs on the servers of the platform that is up, in databases of its own, which it drops. PostgreSQL sums the hashes up
by itself; MongoDB's documents are read and hashed by us. Then rows are made to differ, and it is measured what it takes
to look at them again.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Decimal128, Int64, ObjectId
from psycopg import sql

from dropless import databases
from dropless.contract import Contract, Source
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.reconciliation.pairs import Pairs
from dropless.settings import Settings
from resources.reconcile_mongodb import MongodbSide
from resources.reconcile_postgresql import PostgresqlSide

DATABASE = "dropless_benchmark"
DIFFERENCES = (1, 10, 100, 1000)
ROUNDS = 3
BATCH = 5000
POSTGRESQL = """
    create schema shop;
    create table shop.orders (
        shop_code text, order_no bigint, customer_email text, total numeric(18,2) not null, currency text not null,
        status text not null, quantity integer, bonus_points bigint, weight numeric(10,3), gift_wrap boolean,
        delivery_date date, attributes jsonb, placed_at timestamptz not null, updated_at timestamptz not null,
        primary key (shop_code, order_no)
    );
    insert into shop.orders
    select 'de', n, 'customer' || n % 50000 || '@example.com', (n % 100000)::numeric / 100, 'EUR',
        (array['new', 'paid', 'sent', 'received'])[n % 4 + 1], n % 9, n * 7, (n % 30000)::numeric / 1000, n % 2 = 0,
        date '2026-01-01' + n % 300, case when n % 5 = 0 then jsonb_build_object('note', 'n' || n, 'rating', n % 5) end,
        timestamptz '2026-01-01 00:00:00Z' + n * interval '1.000001 second',
        timestamptz '2026-01-02 00:00:00Z' + n * interval '1.000001 second'
    from generate_series(1, {rows}) as n;
    grant usage on schema shop to dropless_replication;
    grant select on shop.orders to dropless_replication;
"""


def source_in(contract: Contract, name: str) -> Source:
    """A source as the contract maps it, in the benchmark's database."""
    source = contract.source(name)
    kind = "postgresql" if source.postgresql else "mongodb"
    return source.model_copy(update={kind: getattr(source, kind).model_copy(update={"database": DATABASE})})


@contextmanager
def postgresql(endpoints: Endpoints, contract: Contract, rows: int) -> Iterator[PostgresqlSide]:
    """A table of so many orders."""
    with closing(databases.postgresql(endpoints, "postgres", "admin", autocommit=True)) as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(DATABASE)))
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        try:
            with databases.postgresql(endpoints, DATABASE, "admin") as connection:
                connection.execute(POSTGRESQL.replace("{rows}", str(rows)))
            with closing(databases.postgresql(endpoints, DATABASE, "admin", autocommit=True)) as connection:
                connection.execute("vacuum analyze shop.orders")
            source = source_in(contract, "webshop")
            assert source.postgresql
            yield PostgresqlSide(endpoints, contract, source, source.postgresql)
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(DATABASE)))


@contextmanager
def mongodb(endpoints: Endpoints, contract: Contract, rows: int) -> Iterator[MongodbSide]:
    """A collection of so many orders."""
    with databases.mongodb(endpoints, "admin") as client:
        client.drop_database(DATABASE)
        try:
            at, chance = datetime(2026, 1, 1, tzinfo=UTC), random.Random(1)
            for first in range(0, rows, BATCH):
                client[DATABASE]["orders"].insert_many(
                    {
                        "_id": ObjectId(),
                        "buyer": {"id": f"B-{number % 50000}", "name": "Ann"},
                        "total": {"value": Decimal128(f"{number % 1000}.25"), "currency": "EUR"},
                        "status": chance.choice(["placed", "paid", "shipped"]),
                        "lines": {"count": number % 9, "weightKg": number / 3},
                        "points": Int64(number),
                        "gift": number % 2 == 0,
                        "promisedOn": "2026-03-01",
                        "details": {"note": f"n{number}", "rating": number % 5} if number % 5 == 0 else None,
                        "createdAt": at + timedelta(milliseconds=number),
                        "updatedAt": at + timedelta(milliseconds=number + 1),
                    }
                    for number in range(first, min(first + BATCH, rows))
                )
            source = source_in(contract, "marketplace")
            assert source.mongodb
            yield MongodbSide(endpoints, contract, source, source.mongodb)
        finally:
            client.drop_database(DATABASE)


def read_postgresql(endpoints: Endpoints) -> int:
    """A plain read of every row by the same driver."""
    with databases.postgresql(endpoints, DATABASE, "admin") as connection, connection.cursor("all") as cursor:
        cursor.itersize = BATCH
        return sum(1 for _ in cursor.execute("select * from shop.orders"))


def read_mongodb(endpoints: Endpoints) -> int:
    """The same of MongoDB."""
    with databases.mongodb(endpoints, "admin") as client:
        return sum(1 for _ in client[DATABASE]["orders"].find().batch_size(BATCH))


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def digest_of_postgresql(side: PostgresqlSide) -> None:
    """As a reconciliation reads it."""
    side.digest(None, lambda _: None)
    side.release()


def digest_of_mongodb(side: MongodbSide) -> None:
    """As a reconciliation reads it."""
    with Pairs() as pairs:
        pairs.add("source", side.pairs(None, lambda _: None))
        pairs.digest("source", "marketplace")
    side.release()


def compared(plain: Callable[[], Any], ours: Callable[[], Any]) -> dict[str, Any]:
    """Both in turn, and their ratio: the median of the rounds."""
    pairs = [(seconds(plain), seconds(ours)) for _ in range(ROUNDS)]
    return {
        "plain_read_seconds": round(statistics.median(each[0] for each in pairs), 2),
        "digest_seconds": round(statistics.median(each[1] for each in pairs), 2),
        "ratio": round(statistics.median(each[1] / each[0] for each in pairs), 2),
    }


def looked_at_again(side: PostgresqlSide, rows: int) -> dict[str, float]:
    """Seconds for reading so many rows by their keys, and what one of them costs."""
    chance = random.Random(2)
    found = {}
    for number in DIFFERENCES:
        keys = [f"webshop:de,{chance.randrange(1, rows + 1)}" for _ in range(number)]
        found[str(number)] = round(statistics.median(seconds(lambda: side.rows(keys)) for _ in range(ROUNDS)), 4)  # noqa: B023 - at once
    side.release()
    return found


def main() -> None:
    """Measure both sources, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--source", choices=["postgresql", "mongodb"], action="append")
    arguments = parser.parse_args()
    rows, sources = arguments.rows, arguments.source or ["postgresql", "mongodb"]
    settings = Settings.load()
    endpoints, contract = Endpoints.local(settings), declared(settings, "orders")
    figures: dict[str, Any] = {"rows": rows}
    if "postgresql" in sources:
        with postgresql(endpoints, contract, rows) as side:
            print("PostgreSQL: the rows are there", file=sys.stderr)
            figures["postgresql"] = compared(lambda: read_postgresql(endpoints), lambda: digest_of_postgresql(side))
            figures["rows_looked_at_again_seconds"] = looked_at_again(side, rows)
    if "mongodb" in sources:
        with mongodb(endpoints, contract, rows) as documents:
            print("MongoDB: the documents are there", file=sys.stderr)
            figures["mongodb"] = compared(lambda: read_mongodb(endpoints), lambda: digest_of_mongodb(documents))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
