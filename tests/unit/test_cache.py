"""The cache of downloads and builds: whole or not there."""

from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path

import pytest

from local_stack import cache, maven
from local_stack.commands import CommandFailed, DiskFull, run


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise CommandFailed("no")

    with pytest.raises(CommandFailed):
        cache.complete(tmp_path / "kafka", build)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFull, match=r"The disk that holds .* is full; .*: free some and try again\.$"):
        cache.complete(tmp_path / "kafka", build)
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_finds_the_disk_full_says_so(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        run(["cp", "/etc/hostname", "/dev/full"], what="Copying", log=tmp_path / "log")


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="Building failed: there is no program no-such-compiler"):
        run(["no-such-compiler"], what="Building", log=tmp_path / "log")


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".building-kafka-1").mkdir()
    built = cache.complete(tmp_path / "kafka", lambda folder: (folder / "jar").touch())
    assert [path.name for path in tmp_path.iterdir()] == ["kafka"]
    assert (built / "jar").exists()


class Mirror:
    """A download whose first answers are corrupt."""

    def __init__(self, corrupt: int) -> None:
        self.corrupt = corrupt
        self.forgotten: list[str] = []

    def fetch(self, folder: Path) -> None:
        self.corrupt -= 1
        (folder / "a.jar").write_text("damaged" if self.corrupt >= 0 else "right")

    def forget(self, name: str) -> None:
        self.forgotten.append(name)


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "right").write_text("right")
    return {"a.jar": cache.sha256(tmp_path / "right")}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


def test_a_corrupt_download_is_deleted_and_fetched_again(tmp_path: Path, expected: dict[str, str]) -> None:
    folder = tmp_path / "download"
    folder.mkdir()
    mirror = Mirror(corrupt=2)
    maven.fetch_checked("kafka", folder, expected, mirror.fetch, mirror.forget)
    assert (folder / "a.jar").read_text() == "right"
    assert mirror.forgotten == ["a.jar", "a.jar"]


def test_a_download_that_stays_corrupt_is_one_sentence(tmp_path: Path, expected: dict[str, str]) -> None:
    mirror = Mirror(corrupt=99)

    def build(folder: Path) -> None:
        maven.fetch_checked("kafka", folder, expected, mirror.fetch, mirror.forget)

    with pytest.raises(cache.Corrupt, match=r"^The download of kafka is corrupt: a\.jar did not have the pinned SHA"):
        cache.complete(tmp_path / "cache" / "kafka", build)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_a_set_of_jars_must_be_exactly_the_locked_one(tmp_path: Path, expected: dict[str, str], change: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.jar").write_text("right")
    assert cache.differing(folder, expected) == []
    if change == "missing":
        (folder / "a.jar").unlink()
        assert cache.differing(folder, expected) == ["a.jar"]
    else:
        (folder / "b.jar").touch()
        assert cache.differing(folder, expected) == ["b.jar"]


def _hold(lock: Path, held: multiprocessing.synchronize.Event, done: multiprocessing.synchronize.Event) -> None:
    with cache.exclusive(lock, "`dropless up`"):
        held.set()
        done.wait(30)


def test_a_second_up_is_told_of_the_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    first = context.Process(target=_hold, args=(tmp_path / "lock", held, done))
    first.start()
    assert held.wait(30)
    with (
        pytest.raises(cache.Busy, match=rf"^Another `dropless up` is running \(pid {first.pid}\)"),
        cache.exclusive(tmp_path / "lock", "`dropless up`"),
    ):
        pass
    done.set()
    first.join()
    with cache.exclusive(tmp_path / "lock", "`dropless up`"):
        pass
