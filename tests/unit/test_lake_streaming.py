"""A table that is far larger than memory may be: it streams, through the client and into a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from lake_folder import FolderStore

ROWS, FILES, TEXT = 24_000, 12, 3000
"""0.86 GB when unpacked: all texts differ, yet compress to nothing."""
BOUND = 250 * 1024 * 1024

READER = """
import resource, sys
sys.path[:0] = [{unit!r}]
from pathlib import Path
from lake_folder import FolderStore
from dropless.lake.catalogue import Entry
from dropless.lake.files import write
from dropless.lake.reading import LakeTable

table = LakeTable(FolderStore(Path({folder!r})), Entry("wide", "wide"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if {out!r}:
    rows = write(table.select(where={where!r}), Path({out!r}), lambda _: None)
    unpacked = 0
else:
    rows = unpacked = 0
    for batch in table.batches(where={where!r}):
        rows += batch.num_rows
        unpacked += batch.nbytes
print(rows, unpacked, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wide")
    for number in range(FILES):
        text = pa.array(f"{number}-{row}".ljust(TEXT, "x") for row in range(ROWS))
        keys = pa.array(range(number * ROWS, (number + 1) * ROWS), pa.int64())
        write_deltalake(FolderStore(folder).uri("wide"), pa.table({"key": keys, "text": text}), mode="append")
    return folder


@pytest.mark.parametrize(("out", "where"), [("", None), ("", "key >= 0 and text like '%x'"), ("all.parquet", None)])
def test_a_table_larger_than_the_bound_streams(folder: Path, tmp_path: Path, out: str, where: str | None):
    program = READER.format(
        unit=str(Path(__file__).parent), folder=str(folder), out=out and str(tmp_path / out), where=where
    )
    told = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=120)
    rows, unpacked, grown = map(int, told.split())
    assert rows == ROWS * FILES
    if not out:
        assert unpacked > 3 * BOUND
    print(f"{unpacked=} {grown=}")
    assert grown < BOUND
