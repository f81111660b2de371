"""A lake in a folder: the same Delta tables, without an object store."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
from contracts import ORDERS_FILE
from deltalake import DeltaTable

from dropless import names
from dropless.contract import parse_contract
from dropless.lake.schema import DAY, changes_schema
from dropless.lake.store import Store
from dropless.lake.table import ChangesTable

DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)


class FolderStore(Store):
    """Where a `Store` says s3://lake, a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__("none", "none", "none", "none", str(folder))

    def uri(self, table: str) -> str:
        return f"{self.bucket}/{table}"

    def delta_options(self, *, patient: bool = True) -> dict[str, str]:
        return {}

    def published(self) -> PublicStore:
        return PublicStore(Path(self.bucket) / names.PUBLIC_FOLDER, self)

    def filesystem(self, table: str) -> pafs.FileSystem:
        Path(self.uri(table)).mkdir(parents=True, exist_ok=True)
        return pafs.SubTreeFileSystem(self.uri(table), pafs.LocalFileSystem())


class PublicStore(FolderStore):
    """Its published tables; a folder for a partition is made where an object store needs none."""

    def __init__(self, folder: Path, of: FolderStore) -> None:
        super().__init__(folder)
        object.__setattr__(self, "_of", of)

    def filesystem(self, table: str) -> pafs.FileSystem:
        made = super().filesystem(table)
        for each in Path(self._of.uri(table)).glob("*=*"):
            (Path(self.uri(table)) / each.name).mkdir(exist_ok=True)
        return made


class FolderLake:
    """Changes of `orders` that a test writes itself, and what must follow from them."""

    table = "orders"

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)
        self.schema = changes_schema(parse_contract(ORDERS_FILE))
        self.folder = names.changes_table(self.table)
        self.changes: list[dict[str, Any]] = []

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """One commit of changes."""
        rows = list(rows)
        self.changes += rows
        data = pa.Table.from_pylist(rows, schema=self.schema)
        table = ChangesTable(self.store, self.folder, "unified.orders", self.schema)
        table.append(data, {0: len(self.changes)})

    def expected(self) -> dict[str, int]:
        """By key the position of its newest change, unless that is a deletion."""
        newest: dict[str, dict[str, Any]] = {}
        for row in self.changes:
            if row["_key"] not in newest or newest[row["_key"]]["_position"] < row["_position"]:
                newest[row["_key"]] = row
        return {key: row["_position"] for key, row in newest.items() if not row["_deleted"]}

    def delta(self, name: str = "orders") -> DeltaTable:
        return DeltaTable(self.store.uri(name))

    def merged(self) -> dict[str, int]:
        """The same of the table as anybody reads it; every row must be whole."""
        table = self.delta().to_pyarrow_table()
        keys = table["_key"].to_pylist()
        assert len(set(keys)) == len(keys), "a key came twice"
        for row in table.select(["_key", "_position", "amount"]).to_pylist():
            assert row["amount"] == Decimal(row["_position"]) / 100
        return dict(zip(keys, table["_position"].to_pylist(), strict=True))


def change(key: int, position: int, *, deleted: bool = False) -> dict[str, Any]:
    """A change of a key; its amount tells its position."""
    at = DAY_ONE + timedelta(seconds=position)
    return {
        "order_id": str(key),
        "amount": Decimal(position) / 100,
        "status": "paid",
        "placed_at": DAY_ONE + timedelta(days=key % 90),
        "_key": f"shop:{key}",
        "_source": "shop",
        "_op": "d" if deleted else "u",
        "_deleted": deleted,
        "_committed_at": at,
        "_topic": "raw.orders.shop",
        "_partition": 0,
        "_offset": position,
        "_position": position,
        DAY: date(2026, 1, 1),
    }


def random_changes(generator: random.Random, count: int, keys: int, positions: list[int]) -> list[dict[str, Any]]:
    """Changes and deletions of random keys, each with a position of its own out of `positions`."""
    return [change(generator.randrange(keys), positions.pop(), deleted=generator.random() < 0.2) for _ in range(count)]
