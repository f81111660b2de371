"""The lake writer while it is killed, and while its object store is busy, silent, forgetful or gone."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import botocore.exceptions
import pytest
from s3_proxy import Fault, in_commit, in_multipart, proxy
from small_lake import SmallLake
from small_union import eventually, free_port, in_background, status

from dropless.lake.fault_points import FAULTS, Point
from dropless.lake.store import Store
from dropless.settings import Settings
from local_stack.install import installed
from local_stack.versions import MINIO

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


def test_a_writer_that_is_killed_around_a_commit_writes_each_row_once(lake: SmallLake):
    lake.write_rows(400)
    for point, milliseconds in (
        (Point.BEFORE_COMMIT, 0),
        (Point.DURING_COMMIT, 2),
        (Point.DURING_COMMIT, 15),
        (Point.AFTER_COMMIT, 0),
    ):
        process, _ = lake.writer(environment={FAULTS.variable: f"{point}:1:{milliseconds}"})
        assert process.wait(30) == -signal.SIGKILL
        lake.write_rows(400)
    lake.writer()
    lake.check()


@pytest.mark.parametrize(
    ("kind", "meant", "times"),
    [
        ("busy", in_multipart, 30),
        ("lost", in_multipart, 3),
        ("silent", in_multipart, 1),
        ("busy", in_commit, 25),
        ("lost", in_commit, 2),
    ],
)
def test_a_store_that_goes_wrong_costs_no_row_and_brings_none_twice(
    lake: SmallLake, kind: str, meant: Callable[[str, str], bool], times: int
):
    # A commit large enough that its file goes up in parts.
    lake.set_lake(commit_seconds=60, commit_bytes=24_000_000)
    lake.write_rows(12_000, padding=2000)
    fault = Fault(kind, meant, times)
    with proxy(lake.store, fault) as address:
        lake.writer("--s3", address)
        eventually(lambda: lake.found().total() >= 9_000, 90)
    assert fault.met >= min(times, 1), "nothing went wrong, so this shows nothing"
    lake.set_lake(commit_seconds=1)
    lake.stop_all()
    lake.writer()
    lake.check()


class OwnMinio:
    """An object store of the test's own, which it may kill."""

    def __init__(self, folder: Path, binary: Path, store: Store) -> None:
        self.port = free_port()
        self.store = replace(store, endpoint=f"http://127.0.0.1:{self.port}")
        self._command = [str(binary), "server", "--address", f"127.0.0.1:{self.port}", "--quiet", str(folder / "drive")]
        self._environment = os.environ | {
            "MINIO_ROOT_USER": store.access_key,
            "MINIO_ROOT_PASSWORD": store.secret_key,
            "MINIO_CI_CD": "1",
            "MINIO_UPDATE": "off",
        }
        self._log = folder / "minio.log"
        self.start()
        self.store.client().create_bucket(Bucket=store.bucket)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)

        def answers() -> bool:
            try:
                self.store.client().list_buckets()
            except botocore.exceptions.BotoCoreError:
                return False
            except botocore.exceptions.ClientError as error:
                return error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
            return True

        eventually(answers, 30)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def minio(tmp_path: Path, lake: SmallLake, settings: Settings) -> Iterator[OwnMinio]:
    own = OwnMinio(tmp_path, installed(settings).folder(MINIO) / "minio", lake.store)
    ours = lake.store, lake.reader
    lake.store = lake.reader = own.store
    yield own
    lake.stop_all()
    lake.store, lake.reader = ours
    own.kill()


def test_an_object_store_that_is_killed_and_comes_back_has_each_row_once(lake: SmallLake, minio: OwnMinio):
    _, port = lake.writer("--s3", minio.store.endpoint)
    with in_background(lambda: lake.write_rows(12_000, rate=1200)):
        for enough in (1000, 4000, 7000):
            eventually(lambda enough=enough: status(port)["rows_out"] >= enough)
            minio.kill()
            eventually(lambda: status(port)["rows_buffered"] > 0 or status(port)["state"] == "recovering")
            minio.start()
    lake.check()
