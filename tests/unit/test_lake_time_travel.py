"""As of a moment means: as of the last commit until then, by the time that the history tells."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lake_folder import FolderLake, change

from dropless.errors import DroplessError
from dropless.lake.catalogue import Entry
from dropless.lake.reading import LakeTable


def test_a_commit_counts_from_when_it_says_it_was_made_and_not_from_when_it_was_stored(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path)
    for number in range(4):
        lake.append([change(number, number + 1)])
    table = LakeTable(lake.store, Entry(lake.folder, lake.folder))
    made = {each["version"]: each["timestamp"] for each in table.history()}
    late = time.time() + 60
    for version in range(2, 5):
        # The store was busy: the log entries of later commits came a minute after what they say.
        log = Path(lake.store.uri(lake.folder)) / "_delta_log" / f"{version:020d}.json"
        if log.exists():
            os.utime(log, (late, late))
    assert {version: table.as_of(moment).version for version, moment in made.items()} == {each: each for each in made}
    assert table.as_of(datetime.now(UTC) + timedelta(hours=1)).version == table.version
    with pytest.raises(DroplessError, match="was made at"):
        table.as_of("2020-01-01")
