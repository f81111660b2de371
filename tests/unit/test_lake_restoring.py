"""Broken files of the changes are written anew from the unified topic: each row once, and none but those."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from contracts import ORDERS_FILE
from deltalake import DeltaTable, Field
from deltalake.exceptions import DeltaError
from deltalake.schema import PrimitiveType
from lake_folder import DAY_ONE, FolderLake, change, random_changes

from dropless import names
from dropless.contract import parse_contract
from dropless.errors import DroplessError
from dropless.lake import damage, deltalog
from dropless.lake.current import register_now
from dropless.lake.datafiles import DataFile, files
from dropless.lake.deletions import Deletions
from dropless.lake.engine import connect
from dropless.lake.fault_points import Point
from dropless.lake.maintenance import compact
from dropless.lake.merge import Merge
from dropless.lake.publishing import publish, publish_anew
from dropless.lake.rebuilding import rebuild
from dropless.lake.restoring import ROWS_AT_ONCE, Restoration
from dropless.lake.scan import live
from dropless.lake.schema import DAY

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path)


def wire(row: dict[str, Any]) -> bytes:
    """A row as it is in the unified topic."""
    told = {
        f"{name}_us" if isinstance(value, datetime) else name: (value - EPOCH) // timedelta(microseconds=1)
        if isinstance(value, datetime)
        else f"{value:f}"
        if isinstance(value, Decimal)
        else value
        for name, value in row.items()
        if name != DAY
    }
    return orjson.dumps(told)


class Topic:
    """The unified topic of a lake, up to the lake's positions."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = rows
        self.read = 0

    def __call__(self) -> Iterator[list[bytes]]:
        self.read += 1
        for first in range(0, len(self.rows), 7):
            yield [wire(each) for each in self.rows[first : first + 7]]


def of_day(row: dict[str, Any], day: int) -> dict[str, Any]:
    return row | {"_committed_at": DAY_ONE + timedelta(days=day), DAY: (DAY_ONE + timedelta(days=day)).date()}


def newest_file(lake: FolderLake) -> Path:
    version = lake.delta(lake.folder).version()
    [path] = next(deltalog.added(lake.store.filesystem(lake.folder), version - 1, version)).files
    return Path(lake.store.uri(lake.folder)) / path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def broken(lake: FolderLake, *, whole: bool = False) -> list[DataFile]:
    return damage.damaged(lake.store, lake.folder, files(lake.delta(lake.folder)), whole=whole)


def restoration(lake: FolderLake, **options: Any) -> Restoration:
    changes = lake.delta(lake.folder)
    found = damage.damaged(lake.store, lake.folder, files(changes), whole=True)
    return Restoration(lake.store, lake.folder, changes, found, **options)


def held(lake: FolderLake) -> Counter[str]:
    """The changes as anybody reads them."""
    return Counter(map(str, lake.delta(lake.folder).to_pyarrow_table(columns=lake.schema.names).to_pylist()))


def expected(lake: FolderLake) -> Counter[str]:
    return Counter(map(str, pa.Table.from_pylist(lake.changes, schema=lake.schema).to_pylist()))


def state_now(lake: FolderLake) -> dict[str, int]:
    with connect() as database:
        register_now(database, lake.store, lake.table, lake.folder)
        return dict(database.sql("select _key, _position from orders").fetchall())


@pytest.mark.parametrize("rows_at_once", [ROWS_AT_ONCE, 25])
@pytest.mark.parametrize("seed", range(3))
def test_what_broken_files_held_is_written_anew_and_nothing_else(lake: FolderLake, seed: int, rows_at_once: int):
    generator = random.Random(seed)
    positions = list(range(1, 2000))
    generator.shuffle(positions)
    harmed = []
    for number in range(9):
        rows = random_changes(generator, generator.randrange(1, 40), 60, positions)
        # A commit has a file for each day; here it has one.
        lake.append(of_day(row, number // 3) for row in rows)
        if number == 5:
            Merge(lake.store, lake.table).run()
        if generator.random() < 0.4 or number == 8:
            harmed.append(newest_file(lake))
    for path in harmed:
        generator.choice([cut, Path.unlink])(path)
    lost = broken(lake)
    assert {Path(lake.store.uri(lake.folder)) / each.path for each in lost} == set(harmed)
    topic = Topic(lake.changes)
    assert restoration(lake).run(topic, rows_at_once) == sum(each.rows for each in lost)
    assert (topic.read > 1) == (rows_at_once == 25)
    assert broken(lake, whole=True) == []
    assert held(lake) == expected(lake)
    # The merge has yet to read the last of them.
    assert state_now(lake) == lake.expected()
    Merge(lake.store, lake.table).run()
    assert lake.merged() == lake.expected()
    assert Merge(lake.store, lake.table).run().commits == 0


def test_a_file_whose_bytes_are_wrong_inside_is_found_by_reading_it_whole(lake: FolderLake):
    lake.append(change(key, key + 1) for key in range(2000))
    path = newest_file(lake)
    content = bytearray(path.read_bytes())
    for place in range(1000, 3000):
        content[place] ^= 0xFF
    path.write_bytes(content)
    assert broken(lake) == []
    assert len(broken(lake, whole=True)) == 1
    assert restoration(lake).run(Topic(lake.changes)) == 2000
    assert held(lake) == expected(lake)


def test_a_file_of_other_rows_is_broken(lake: FolderLake):
    lake.append([change(1, 1)])
    path = newest_file(lake)
    lake.append([change(1, 2), change(2, 3)])
    newest_file(lake).replace(path)
    assert len(broken(lake)) == 2


def test_rows_that_the_topic_has_twice_stay_twice(lake: FolderLake):
    lake.append([change(1, 1), change(2, 2), change(2, 2), change(2, 2)])
    lake.append([change(1, 1), change(2, 2)])
    cut(newest_file(lake))
    assert restoration(lake).run(Topic(lake.changes)) == 2
    assert held(lake) == expected(lake)


def test_columns_that_came_later_are_null_in_what_is_restored(lake: FolderLake):
    lake.append([change(1, 1), change(2, 2)])
    cut(newest_file(lake))
    lake.delta(lake.folder).alter.add_columns(Field("color", PrimitiveType("string")))
    lake.schema = pa.schema(lake.delta(lake.folder).schema().to_arrow())
    assert restoration(lake).run(Topic(lake.changes)) == 2
    assert lake.delta(lake.folder).to_pyarrow_table()["color"].to_pylist() == [None, None]


def test_what_the_topic_no_longer_has_leaves_everything_as_it_was(lake: FolderLake):
    lake.append([change(1, 1), change(2, 2)])
    cut(newest_file(lake))
    before = lake.delta(lake.folder).version()
    with pytest.raises(DroplessError, match="Of 2 rows in broken files of 'orders_changes' 1 are no longer in"):
        restoration(lake).run(Topic(lake.changes[1:]))
    assert lake.delta(lake.folder).version() == before


def test_what_comes_meanwhile_stays_and_of_two_restorations_one_gives_way(lake: FolderLake):
    lake.append([change(1, 1), change(2, 2)])
    cut(newest_file(lake))
    topic, first, second = Topic(list(lake.changes)), restoration(lake), restoration(lake)
    lake.append([change(1, 3)])
    assert first.run(topic) == 2
    with pytest.raises(DroplessError, match="Somebody else has just mended 'orders_changes'"):
        second.run(topic)
    assert held(lake) == expected(lake)


@pytest.mark.parametrize(("point", "left"), [(Point.BEFORE_COMMIT, 1), (Point.AFTER_COMMIT, 0)])
def test_one_that_dies_is_done_again_or_was_done(lake: FolderLake, point: Point, left: int):
    def dies(reached: Point) -> None:
        if reached is point:
            raise InterruptedError

    lake.append([change(1, 1), change(2, 2)])
    cut(newest_file(lake))
    with pytest.raises(InterruptedError):
        restoration(lake, reached=dies).run(Topic(lake.changes))
    assert len(broken(lake)) == left
    if left:
        restoration(lake).run(Topic(lake.changes))
    assert held(lake) == expected(lake)


@pytest.mark.parametrize("how", ["cut", "gone", "wrong"])
def test_whoever_meets_a_broken_file_says_what_mends_it(lake: FolderLake, how: str):
    for number in range(4):
        lake.append([change(key, 500 * number + key + 1) for key in range(400)])
    path = newest_file(lake)
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:900] if how == "cut" else content[:500] + bytes(2000) + content[2500:])
    contract = parse_contract(ORDERS_FILE)
    for work in (
        lambda: compact(lake.store, lake.table),
        lambda: Merge(lake.store, lake.table).run(),
        lambda: publish(lake.store, lake.store.published(), contract),
        lambda: rebuild(lake.store, lake.table),
    ):
        with (
            pytest.raises(
                DroplessError, match="is gone or broken; `dropless lake restore TABLE` makes it anew"
            ) as told,
            damage.sentences(),
        ):
            work()
        assert not isinstance(told.value, damage.Unanswered)


def test_merged_deletions_are_found_again_among_the_changes(lake: FolderLake):
    lake.append([change(1, 10), change(2, 11), change(3, 12)])
    lake.append([change(1, 20, deleted=True), change(2, 21, deleted=True)])
    Merge(lake.store, lake.table).run()
    folder = names.deletions_table(lake.table)
    [path] = (Path(lake.store.uri(folder))).rglob("*.parquet")
    cut(path)
    found = damage.damaged(lake.store, folder, files(lake.delta(folder)), whole=False)
    lake.append([change(3, 30, deleted=True)])
    Deletions(lake.store, lake.table).restore(found, live(lake.store, lake.folder, lake.delta(lake.folder)))
    assert damage.damaged(lake.store, folder, files(lake.delta(folder)), whole=True) == []
    # One that comes late brings nothing back.
    lake.append([change(1, 15)])
    assert state_now(lake) == lake.expected() == {}
    Merge(lake.store, lake.table).run()
    assert lake.merged() == {}


def test_a_state_made_anew_remembers_deletions_as_a_merge_does(lake: FolderLake):
    lake.append([change(1, 10)])
    Merge(lake.store, lake.table).run()
    lake.append([change(1, 20, deleted=True)])
    assert rebuild(lake.store, lake.table) == 0
    lake.append([change(1, 15)])
    assert state_now(lake) == lake.expected() == {}
    Merge(lake.store, lake.table).run()
    assert lake.merged() == {}


def test_what_is_published_can_be_published_from_nothing(lake: FolderLake):
    contract, public = parse_contract(ORDERS_FILE), lake.store.published()
    lake.append([change(1, 1), change(2, 2)])
    publish(lake.store, public, contract)
    [path] = Path(public.uri(lake.folder)).rglob("*.parquet")
    cut(path)
    twin = files(DeltaTable(public.uri(lake.folder)))
    assert len(damage.damaged(public, lake.folder, twin, whole=False)) == 1
    publish_anew(lake.store, public, contract, lake.folder)
    table = DeltaTable(public.uri(lake.folder))
    assert damage.damaged(public, lake.folder, files(table), whole=True) == []
    assert table.to_pyarrow_table()["_position"].to_pylist() == [1, 2]
    assert "customer_id" not in [each.name for each in table.schema().fields]


@pytest.mark.parametrize(
    "error",
    [
        OSError("When reading information for key 'x' in bucket 'lake': AWS Error NETWORK_CONNECTION"),
        DeltaError("Failed to parse parquet: Parquet error: External: Generic S3 error: no route to host"),
        ConnectionRefusedError(111, "Connection refused"),
    ],
)
def test_what_the_store_refuses_may_be_tried_again(error: Exception):
    with pytest.raises(damage.Unanswered, match="The lake does not answer, or refused: "), damage.sentences():
        raise error


def test_what_has_nothing_to_do_with_files_is_raised_as_it_is():
    with pytest.raises(pa.ArrowInvalid), damage.sentences():
        raise pa.ArrowInvalid("Rescaling Decimal value would cause data loss")


@pytest.mark.parametrize(
    ("error", "is_broken"),
    [
        (FileNotFoundError("gone"), True),
        (pa.ArrowInvalid("Parquet magic bytes not found in footer"), True),
        (OSError("ZSTD decompression failed: Data corruption detected"), True),
        (OSError("When reading information for key 'x' in bucket 'lake': AWS Error NETWORK_CONNECTION"), False),
        (ConnectionRefusedError(111, "Connection refused"), False),
        (ValueError("something else"), False),
    ],
)
def test_a_store_that_does_not_answer_is_no_broken_file(error: Exception, *, is_broken: bool):
    assert damage.breaks(error) is is_broken


def test_a_merge_reads_restored_files_in_the_place_of_broken_ones():
    content = b"""{"commitInfo":{"timestamp":17,"dropless.operation":"restore"}}
{"add":{"path":"d=1/new.parquet","size":5,"dataChange":false}}
{"remove":{"path":"d=1/old%20one.parquet","dataChange":false}}
"""
    assert deltalog.parse(3, content) == deltalog.Added(3, 17, ("d=1/new.parquet",), 5, ("d=1/old one.parquet",))
