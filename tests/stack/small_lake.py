"""A unified topic that the test writes itself, and the lake tables made from it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import orjson
from confluent_kafka import Producer
from small_union import SmallUnion, eventually, free_port

from dropless import Lake, durability, names
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake.maintenance import tables_of
from dropless.lake.reading import LakeTable
from dropless.lake.store import Store
from dropless.settings import Settings

KEYS = 300
COMMITTED = 1_764_000_000_123_456


class SmallLake(SmallUnion):
    """A unified topic that the test writes itself, and the lake table made from it."""

    def __init__(self, folder: Path, endpoints: Endpoints, settings: Settings) -> None:
        super().__init__(folder, endpoints, settings)
        self.store, self.reader = Store.pipeline(endpoints), Store.reader(endpoints)
        self.changes = names.changes_table(self.table)
        self.rows = 0

    def writer(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> tuple[subprocess.Popen[bytes], int]:
        port = free_port()
        command = ("dropless.lake.writer", "--status-port", str(port), *arguments)
        return self.start(*command, log="lake", environment=environment), port

    def set_lake(self, **limits: int) -> None:
        """When the writer commits, instead of by the second."""
        path = self.folder / self.table / "defs.yaml"
        text = ", ".join(f"{name}: {value}" for name, value in limits.items())
        path.write_text(re.sub(r"lake: \{.*\}", f"lake: {{{text}}}", path.read_text()))

    def stop_all(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def merge(self, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        return self.command("merge", environment)

    def command(self, name: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """`dropless lake NAME TABLE`, whose words are in the log of its name."""
        command = [sys.executable, "-c", "from dropless.cli import main; main()", "lake", name, self.table]
        with (self.folder / f"{name}.log").open("ab") as file:
            process = subprocess.Popen(
                command, env=self.environment | dict(environment or {}), stdout=file, stderr=file
            )
        self._processes.append(process)
        return process

    def expected(self) -> dict[str, Decimal]:
        """By key the amount of its newest row, unless that is a deletion."""
        newest = {number % KEYS: number for number in range(self.rows)}
        return {f"shop:{key}": Decimal(f"{number}.10") for key, number in newest.items() if number % 50}

    def current(self, *, now: bool = False) -> dict[str, Decimal]:
        """The current state as it is merged, or exactly now."""
        table = Lake(self.reader).table(self.table)
        found = (table.now() if now else table).to_arrow(["_key", "amount"])
        assert len(set(found["_key"].to_pylist())) == found.num_rows, "a key came twice"
        return dict(zip(found["_key"].to_pylist(), found["amount"].to_pylist(), strict=True))

    def write_rows(self, count: int, rate: float | None = None, padding: int = 0) -> None:
        producer = Producer(durability.transactional_producer(self.endpoints, f"{self.table}.rows"))
        producer.init_transactions(30)
        began = time.monotonic()
        for done in range(0, count, 200):
            producer.begin_transaction()
            for _ in range(min(200, count - done)):
                producer.produce(self.unified, unified_row(self.rows, padding), f"shop:{self.rows % KEYS}".encode())
                self.rows += 1
            producer.commit_transaction(30)
            if rate:
                time.sleep(max(0.0, began + (done + 200) / rate - time.monotonic()))

    def table_now(self) -> LakeTable:
        return Lake(self.reader).table(self.changes)

    def found(self) -> Counter[int]:
        try:
            return Counter(self.table_now().to_arrow(["_offset"])["_offset"].to_pylist())
        except DroplessError:
            return Counter()

    def check(self) -> None:
        """Every row exactly once, and none but those."""
        eventually(lambda: self.found().total() >= self.rows, 30)
        assert self.found() == Counter(range(self.rows))

    def remove(self) -> None:
        super().remove()
        client = self.store.client()
        folders = [*tables_of(self.table), *(f"{names.PUBLIC_FOLDER}/{name}" for name in tables_of(self.table))]
        for table in folders:
            for page in client.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=f"{table}/"):
                if objects := [{"Key": each["Key"]} for each in page.get("Contents", [])]:
                    client.delete_objects(Bucket="lake", Delete={"Objects": objects})


def unified_row(number: int, padding: int = 0) -> bytes:
    return orjson.dumps(
        {
            "order_id": str(number),
            "amount": f"{number}.10",
            # Random padding, so that it does not compress away.
            "note": os.urandom(padding // 2).hex() if padding else None if number % 3 else f"note {number}",
            "placed_at_us": COMMITTED,
            "_key": f"shop:{number % KEYS}",
            "_source": "shop",
            "_op": "d" if number % 50 == 0 else "u",
            "_deleted": number % 50 == 0,
            "_committed_at_us": COMMITTED + number,
            "_topic": "raw.x.shop",
            "_partition": 0,
            "_offset": number,
            "_position": number,
        }
    )
