"""Every fsync of a broker, as its own JVM records them (the flight recorder's FileForce events)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dropless.settings import Settings
from local_stack.install import installed
from resources.platform import LocalPlatform

EVERY_FSYNC = ("settings=none", "+jdk.FileForce#enabled=true", "+jdk.FileForce#threshold=0ns")


@dataclass
class Flushes:
    """The fsyncs of log segments by broker and partition folder; filled when the recording ends."""

    by_broker: Mapping[int, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)

    def of(self, broker: int, partition: str) -> list[tuple[float, float]]:
        """Begin and end of each, in seconds since 1970, in order."""
        return sorted(self.by_broker[broker].get(partition, []))


class Recorder:
    """Records what the stack's brokers flush. A recording costs them next to nothing and needs no port."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._java = installed(settings).java.executable
        self._platform = LocalPlatform(settings)
        self._folder = folder

    @contextmanager
    def recording(self) -> Iterator[Flushes]:
        found = Flushes()
        pids = {int(each.name[-1]): each.pid for each in self._platform.status() if each.name[:-1] == "kafka-broker-"}
        for pid in pids.values():
            self._ask(pid, "JFR.start", "name=flushes", *EVERY_FSYNC)
        try:
            yield found
        finally:
            files = {broker: self._folder / f"{broker}.jfr" for broker in pids}
            for broker, pid in pids.items():
                self._ask(pid, "JFR.stop", "name=flushes", f"filename={files[broker]}")
        found.by_broker = {broker: self._read(file) for broker, file in files.items()}

    def _ask(self, pid: int, *command: str) -> None:
        # By module, since a Java runtime without the JDK's tools has them, too.
        told = self._run("jdk.jcmd/sun.tools.jcmd.JCmd", str(pid), *command)
        assert "Started recording" in told or "Stopped recording" in told, told

    def _read(self, file: Path) -> dict[str, list[tuple[float, float]]]:
        printed = self._run("jdk.jfr/jdk.jfr.internal.tool.Main", "print", "--json", "--events", "FileForce", str(file))
        found: dict[str, list[tuple[float, float]]] = {}
        for event in json.loads(printed)["recording"]["events"]:
            # A file that was opened without a path has none.
            path, began = Path(event["values"]["path"] or ""), _moment(event["values"]["startTime"])
            if path.suffix == ".log":
                ended = began + float(event["values"]["duration"].removeprefix("PT").removesuffix("S"))
                found.setdefault(path.parent.name, []).append((began, ended))
        return found

    def _run(self, module: str, *arguments: str) -> str:
        command = [self._java, "-m", module, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _moment(text: str) -> float:
    # Nanoseconds are one digit group too many for Python.
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
