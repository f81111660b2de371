"""Under which conditions something was measured: machine, software, and how much others disturbed it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

from dropless.settings import PROJECT, Settings
from local_stack import toolchain
from local_stack.versions import KAFKA, MINIO

# Fixed in advance: a block with more than this is dropped, whatever it shows.
MOST_STEAL: Final = 0.02
MOST_IO_PRESSURE: Final = 0.20
FSYNC_TRIES: Final = 20


@dataclass(frozen=True)
class Noise:
    """What disturbed a block: shares of its time (steal: of all cores' time), and the load at its end."""

    seconds: float
    steal: float
    cpu_pressure: float
    io_pressure: float
    memory_pressure: float
    busy: float
    load: float

    @property
    def verdict(self) -> str | None:
        """Why the block does not count, if it does not."""
        if self.steal > MOST_STEAL:
            return f"steal {100 * self.steal:.1f} % > {100 * MOST_STEAL:.0f} %"
        if self.io_pressure > MOST_IO_PRESSURE:
            return f"I/O pressure {100 * self.io_pressure:.0f} % > {100 * MOST_IO_PRESSURE:.0f} %"
        return None

    def as_json(self) -> dict[str, float]:
        """For the result's file."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


class Listener:
    """Hears the noise from its making until it is asked."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._cpu = psutil.cpu_times()
        self._pressure = {name: _stalled(name) for name in ("cpu", "io", "memory")}

    def noise(self) -> Noise:
        """What there was so far."""
        seconds = max(1e-9, time.monotonic() - self._began)
        now, before = psutil.cpu_times(), self._cpu
        cores = psutil.cpu_count() or 1
        idle = (now.idle + now.iowait) - (before.idle + before.iowait)
        pressure = {name: (_stalled(name) - stalled) / seconds for name, stalled in self._pressure.items()}
        return Noise(
            seconds=seconds,
            steal=(now.steal - before.steal) / seconds / cores,
            cpu_pressure=pressure["cpu"],
            io_pressure=pressure["io"],
            memory_pressure=pressure["memory"],
            busy=max(0.0, 1 - idle / seconds / cores),
            load=os.getloadavg()[0],
        )


def _stalled(resource: str) -> float:
    """Seconds in which some task waited for it; 0 where the kernel does not say."""
    file = Path("/proc/pressure") / resource
    found = re.search(r"^some .*total=(\d+)", file.read_text()) if file.exists() else None
    return int(found[1]) / 1e6 if found else 0.0


def fsync_ms(folder: Path) -> float:
    """The median time of writing 4 KiB and forcing it to disk, in milliseconds."""
    times = []
    file = folder / "fsync.probe"
    with file.open("wb") as probe:
        for _ in range(FSYNC_TRIES):
            began = time.perf_counter()
            probe.write(b"x" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
            times.append(time.perf_counter() - began)
    file.unlink()
    return round(1000 * sorted(times)[len(times) // 2], 3)


def of_the_union(settings: Settings) -> dict[str, Any]:
    """The conditions of what runs on Kafka."""
    java = toolchain.expected_java(settings.cache)
    return conditions(settings, {"java": java.version, "kafka": KAFKA.version}, ("confluent-kafka", "orjson"))


def of_the_lake(settings: Settings) -> dict[str, Any]:
    """The conditions of what runs on an object store."""
    return conditions(settings, {"minio": MINIO.version}, ("deltalake", "pyarrow", "duckdb", "pandas"))


def conditions(settings: Settings, servers: Mapping[str, str], libraries: Sequence[str]) -> dict[str, Any]:
    """The machine, the versions and the commit."""
    return {
        "machine": {
            "cpu": _cpu(),
            "cores": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "kernel": platform.release(),
            "free_disk_gib": round(psutil.disk_usage(str(settings.state)).free / 2**30),
            "file_system": _file_system(settings.state),
            "fsync_ms": fsync_ms(settings.state),
        },
        "versions": {
            "python": platform.python_version(),
            **servers,
            **{name: version(name) for name in libraries},
        },
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changed_since_commit": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def _cpu() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _file_system(path: Path) -> str:
    mounts = [each for each in psutil.disk_partitions(all=True) if path.is_relative_to(each.mountpoint)]
    return max(mounts, key=lambda each: len(each.mountpoint)).fstype if mounts else "unknown"


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    return answer.stdout.strip()
