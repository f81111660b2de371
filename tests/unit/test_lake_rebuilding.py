"""A current state that cannot be merged on is made anew from its changes, in one commit."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import write_deltalake
from lake_folder import FolderLake, change

from dropless.errors import DroplessError
from dropless.lake import rebuilding
from dropless.lake.merge import Merge
from dropless.lake.rebuilding import rebuild


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    made = FolderLake(tmp_path)
    made.append(change(key, key + 1) for key in range(300))
    made.append([change(5, 400), change(6, 401, deleted=True), change(7, 402)])
    Merge(made.store, made.table).run()
    return made


def largest(lake: FolderLake) -> Path:
    return max(Path(lake.store.uri("orders")).glob("*.parquet"), key=lambda file: file.stat().st_size)


def test_a_broken_file_is_made_anew(lake: FolderLake) -> None:
    largest(lake).write_bytes(b"broken")
    with pytest.raises(Exception, match=r"[Pp]arquet|magic"):
        lake.merged()
    assert rebuild(lake.store, "orders") == 299
    assert lake.merged() == lake.expected()


def test_a_row_that_is_there_twice_is_there_once_then(lake: FolderLake) -> None:
    doubled = lake.delta().to_pyarrow_table(filters=[("_key", "=", "shop:9")])
    write_deltalake(lake.store.uri("orders"), doubled, mode="append")
    with pytest.raises(AssertionError, match="a key came twice"):
        lake.merged()
    rebuild(lake.store, "orders")
    assert lake.merged() == lake.expected()


def test_merges_go_on_from_there(lake: FolderLake) -> None:
    lake.append([change(5, 500), change(1000, 501), change(8, 502, deleted=True)])
    rebuild(lake.store, "orders")
    assert lake.merged() == lake.expected()
    assert Merge(lake.store, "orders").run().commits == 0
    lake.append([change(5, 600), change(6, 399)])
    Merge(lake.store, "orders").run()
    assert lake.merged() == lake.expected()


def test_it_is_one_commit_and_what_was_before_can_still_be_read(lake: FolderLake) -> None:
    before = lake.delta().version()
    rebuild(lake.store, "orders")
    assert lake.delta().version() == before + 1
    old = lake.delta()
    old.load_as_version(before)
    assert old.to_pyarrow_table().num_rows == 299


def test_a_merge_that_was_first_is_seen(lake: FolderLake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append([change(5, 500)])
    write = rebuilding._write
    merges = []

    def write_late(*given: object) -> object:
        made = write(*given)  # type: ignore[arg-type]
        if not merges:
            merges.append(Merge(lake.store, "orders").run())
        return made

    monkeypatch.setattr(rebuilding, "_write", write_late)
    rebuild(lake.store, "orders")
    assert merges[0].commits == 1
    assert lake.merged() == lake.expected()


def test_a_large_table_is_several_files(lake: FolderLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "FILE_ROWS", 100)
    monkeypatch.setattr(rebuilding, "BATCH_ROWS", 50)
    rebuild(lake.store, "orders")
    assert len(lake.delta().file_uris()) >= 3
    assert lake.merged() == lake.expected()


def test_without_changes_there_is_nothing_to_make_it_of(tmp_path: Path) -> None:
    with pytest.raises(DroplessError, match="no table 'orders_changes'"):
        rebuild(FolderLake(tmp_path).store, "orders")
