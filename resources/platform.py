"""The local platform: every process of this installation under supervisord, as one adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import psutil

from dropless.contract import load_contracts
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.plan import Change, Resource
from dropless.processes import own_processes
from dropless.settings import Settings
from local_stack import install, leftovers, supervisor, systems
from local_stack.context import Context
from local_stack.process import Process
from resources import health
from resources.waiting import until

# The slowest, Kafka's brokers, move their partitions' leadership first.
STOP_SECONDS = 60.0
LEFTOVER_SECONDS = 20.0


@dataclass(frozen=True)
class ProcessStatus:
    """How one process is; `resident_bytes` includes its children, `started` is in seconds since 1970.

    `again` is whether it is being started after it ended, by itself for instance, as often as supervisord tries.
    """

    system: str
    name: str
    state: str
    pid: int
    resident_bytes: int
    started: int
    log_file: str
    again: bool = False


class LocalPlatform:
    """The processes of one installation; constructing it connects and reads nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.supervisor = supervisor.Supervisor(settings)

    @cached_property
    def processes(self) -> list[Process]:
        """Every process that must run, in the order of starting."""
        return systems.processes(self._context)

    @cached_property
    def _context(self) -> Context:
        return Context(self._settings, install.installed(self._settings))

    def desired(self) -> list[Resource]:
        """Every process as a resource: what it runs, with which files, and that it runs."""
        return [_resource(process) for process in self.processes]

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """The processes that supervisord has, with what they were really started with."""
        known = self.supervisor.processes()
        by_name = {process.name: process for process in self.processes}
        found = {}
        for resource in desired:
            info, process = known.get(resource.name), by_name.get(resource.name)
            if info is None or process is None:
                continue
            properties = {
                "running": info.state in ("RUNNING", "STARTING"),
                "command": _started_with(info.pid),
                "files": {file.path.name: file.found_digest() for file in process.files},
            }
            found[resource.id] = Resource(resource.system, resource.kind, resource.name, properties)
        return found

    def apply(self, change: Change) -> None:
        """Write the process's files and start it, or start it anew with the present ones."""
        self.start_process(self._named(change.desired.name))

    def pause(self, resource: Resource) -> None:
        """Stop a process until a plan starts it again."""
        self.supervisor.stop(resource.name)

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until the systems of these processes do their work."""
        for system in dict.fromkeys(resource.system for resource in desired):
            self.wait_healthy(system, timeout_seconds)

    def wait_healthy(
        self, system: str, timeout_seconds: float, interrupted: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait until a system's real interface answers and all its nodes are there.

        Raises:
            NotReady: it does not within the time, or one of its processes keeps dying.
        """

        def missing() -> str | None:
            if interrupted():
                raise DroplessError(f"The wait for {system} was interrupted.")
            found = self.health(system)
            return None if found.healthy else f"{found.detail}; its logs are {self._settings.logs}/{self._log(system)}."

        until(system.replace("_", " "), missing, timeout_seconds)

    def health(self, system: str) -> health.Health:
        """What a system's probe says."""
        return health.probe(system, Endpoints.local(self._settings), self._status_urls)

    def start(self, system: str) -> None:
        """Start a system's processes that don't run or don't run as they should."""
        wanted = [resource for resource in self.desired() if resource.system == system]
        found = self.observe(wanted)
        for resource in wanted:
            if resource.id not in found or found[resource.id].properties != resource.properties:
                self.start_process(self._named(resource.name))

    def revive(self, system: str) -> None:
        """Start a system's processes that don't run; a table's with the contract that was applied.

        Another one is for a plan to carry through: here it would come to the union before Pinot knows its columns.
        """
        ours = [each for each in self.processes if each.system == system and each.table]
        known = self.supervisor.processes()
        if not ours or any(each.name not in known for each in ours):
            self.start(system)
            return
        for each in ours:
            self.supervisor.start_program(each.name)

    def stop(self, system: str) -> None:
        """Stop a system's processes, the last started first."""
        for process in reversed([each for each in self.processes if each.system == system]):
            self.supervisor.stop(process.name)

    def start_process(self, process: Process) -> None:
        """Start one process, or stop it and start it with the present configuration."""
        self.supervisor.remove(process.name)
        process.directory.mkdir(parents=True, exist_ok=True)
        for file in process.files:
            file.write(self._settings.secrets)
        systems.prepare(self._context, process)
        self.supervisor.put(process, self.processes.index(process))
        self.supervisor.start_program(process.name)

    def status(self) -> list[ProcessStatus]:
        """Every process that must run, as it is."""
        known = self.supervisor.processes()
        statuses = []
        for process in self.processes:
            info = known.get(process.name)
            pid = info.pid if info else 0
            statuses.append(
                ProcessStatus(
                    system=process.system,
                    name=process.name,
                    state=info.state if info else "MISSING",
                    pid=pid,
                    resident_bytes=resident_bytes(pid),
                    started=info.started if info else 0,
                    log_file=str(supervisor.log_file(self._settings, process.name)),
                    again=info is not None and info.state == "STARTING" and info.ended > 0,
                )
            )
        return statuses

    def shut_down(self) -> None:
        """Stop everything and leave no process, whatever became of supervisord."""
        if self.supervisor.running():
            for wave in systems.stop_waves(self.supervisor.processes()):
                self._stop_together(wave)
            self.supervisor.shutdown()
        leftovers.end_all(self._settings, LEFTOVER_SECONDS)

    def _stop_together(self, names: Sequence[str]) -> None:
        for name in names:
            self.supervisor.stop(name, wait=False)

        def missing() -> str | None:
            left = [each.name for each in self.supervisor.processes().values() if each.pid and each.name in names]
            return f"{', '.join(left)} still ran." if left else None

        until("Stopping", missing, STOP_SECONDS)

    def _named(self, name: str) -> Process:
        for process in self.processes:
            if process.name == name:
                return process
        raise DroplessError(f"No process is called {name!r}; there are {', '.join(p.name for p in self.processes)}.")

    def _log(self, system: str) -> str:
        names = [process.name for process in self.processes if process.system == system]
        return f"{names[0]}.log" if len(names) == 1 else f"{names[0].rsplit('-', 1)[0]}-*.log"

    @cached_property
    def _status_urls(self) -> dict[str, list[str]]:
        urls: dict[str, list[str]] = {"union": [], "lake_writer": []}
        for each in own_processes(load_contracts(self._settings.contracts), self._settings):
            urls[each.kind].append(each.status_url)
        return urls


def _resource(process: Process) -> Resource:
    files = {file.path.name: file.digest for file in process.files}
    hints = {"table": process.table} if process.table else {}
    properties = {"running": True, "command": process.command_digest, "files": files}
    return Resource(process.system, "process", process.name, properties, hints)


def _started_with(pid: int) -> str | None:
    """The digest of the command that a running process was started with."""
    if not pid:
        return None
    try:
        return psutil.Process(pid).environ().get(supervisor.COMMAND_MARK)
    except psutil.Error:
        return None


def resident_bytes(pid: int) -> int:
    """The resident memory of a process and all that it started, in bytes; 0 when it doesn't run."""
    if not pid:
        return 0
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for each in family:
        try:
            total += int(each.memory_info().rss)
        except psutil.Error:
            continue
    return total
