"""What of a broker's log survives a loss of power, told in two ways."""

from __future__ import annotations

import ctypes
import errno
import functools
import mmap
import os
import struct
import tempfile
from pathlib import Path

# cachestat(2): the same number on every architecture, since Linux 6.5.
CACHESTAT = 451
BATCH_HEADER = struct.Struct(">qi")
LAST_OFFSET_DELTA = struct.Struct(">i")
LAST_OFFSET_DELTA_AT = 23


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _Pages(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("cached", "dirty", "in_writeback", "evicted", "recently_evicted")
    )


def _unwritten_pages(descriptor: int, offset: int, length: int) -> int:
    asked, told = _Range(offset, length), _Pages()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(CACHESTAT, descriptor, ctypes.byref(asked), ctypes.byref(told), 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(told.dirty + told.in_writeback)


@functools.cache
def kernel_tells() -> bool:
    """Whether this kernel tells which pages of a file it has not yet written to the disk."""
    with tempfile.TemporaryFile() as file:
        try:
            _unwritten_pages(file.fileno(), 0, 0)
        except OSError as error:
            if error.errno in (errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP):
                return False
            raise
    return True


def written_by_the_kernel(file: Path) -> int:
    """How many bytes at the file's beginning are on the disk: all before the first page that is not."""
    with file.open("r+b") as opened:
        size = os.fstat(opened.fileno()).st_size
        clean, unknown = 0, -(-size // mmap.PAGESIZE)
        while clean < unknown:
            half = (clean + unknown + 1) // 2
            if _unwritten_pages(opened.fileno(), 0, half * mmap.PAGESIZE):
                unknown = half - 1
            else:
                clean = half
    return min(size, clean * mmap.PAGESIZE)


def up_to_the_recovery_point(file: Path) -> int:
    """How many bytes of a log segment lie before the recovery point that the broker last noted, every minute.

    All of them were flushed, and more were: the broker loses more than a loss of power could take.
    """
    points = _recovery_points(file.parent.parent / "recovery-point-offset-checkpoint")
    point = points.get(file.parent.name, 0)
    content, position = file.read_bytes(), 0
    while position + LAST_OFFSET_DELTA_AT + 4 <= len(content):
        base, length = BATCH_HEADER.unpack_from(content, position)
        last = base + LAST_OFFSET_DELTA.unpack_from(content, position + LAST_OFFSET_DELTA_AT)[0]
        if last >= point:
            break
        position += BATCH_HEADER.size + length
    return min(position, len(content))


def _recovery_points(checkpoint: Path) -> dict[str, int]:
    _version, _count, *lines = checkpoint.read_text().splitlines()
    points = {}
    for line in lines:
        topic, partition, offset = line.split()
        points[f"{topic}-{partition}"] = int(offset)
    return points
