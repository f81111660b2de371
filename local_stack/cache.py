"""The cache of downloads and builds: everything in it is whole, or it is not there."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from dropless.errors import DroplessError
from local_stack.commands import CommandFailed, DiskFull


class Corrupt(DroplessError):
    """A downloaded file is not the one that was asked for."""


persistent = retry(
    retry=retry_if_exception_type((CommandFailed, Corrupt)),
    stop=stop_after_attempt(3),
    wait=wait_exponential(max=10),
    reraise=True,
)
"""For a function that downloads: three tries."""


class Busy(DroplessError):
    """Another process holds the lock."""


def complete(target: Path, build: Callable[[Path], None]) -> Path:
    """The folder `target`, built by `build` in a temporary folder beside it and then renamed.

    Whatever goes wrong, nothing half-made remains.

    Raises:
        DiskFull: the disk is full.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    for old in target.parent.glob(f".building-{target.name}-*"):
        # Left behind by a process that was killed: the lock says that no other one is building.
        shutil.rmtree(old)
    fresh = target.parent / f".building-{target.name}-{os.getpid()}"
    try:
        fresh.mkdir()
        build(fresh)
        fresh.rename(target)
    except DiskFull:
        raise _disk_full(target.parent) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(target.parent) from None
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _disk_full(folder: Path) -> DiskFull:
    return DiskFull(
        f"The disk that holds {folder} is full; an installation takes about 2 GB there: free some and try again."
    )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lock(lock: Path) -> dict[str, str]:
    """File name to SHA-256, from a file as `sha256sum` writes it."""
    pairs = (line.split() for line in lock.read_text().splitlines() if line.strip())
    return {name: digest for digest, name in pairs}


def differing(folder: Path, expected: dict[str, str]) -> list[str]:
    """The names in a folder that are missing, unexpected, or have another content than expected."""
    found = {path.name: sha256(path) for path in folder.iterdir() if path.is_file()}
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def unpack(packed: Path, folder: Path) -> None:
    """Unpack a .tar.gz, or a jar that holds one .txz, into a folder."""
    if packed.suffix == ".jar":
        with zipfile.ZipFile(packed) as jar:
            inner = next(name for name in jar.namelist() if name.endswith(".txz"))
            with jar.open(inner) as stream, tarfile.open(fileobj=stream, mode="r:xz") as archive:
                _extract(archive, folder)
    else:
        with tarfile.open(packed) as archive:
            _extract(archive, folder)


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    # Python before 3.11.4 has no filters; the archive's digest was checked already.
    archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
    archive.extractall(folder)  # noqa: S202


@contextmanager
def exclusive(path: Path, doing: str) -> Iterator[None]:
    """Hold a lock file for as long as the block runs; the system frees it when the process dies.

    Raises:
        Busy: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Busy(f"Another {doing} is running (pid {holder}); wait until it is done.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
