"""supervisord: starts the servers, restarts those that die, rotates their logs."""

from __future__ import annotations

import os
import resource
import shlex
import stat
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from dropless.errors import DroplessError
from dropless.settings import Settings
from local_stack.process import Process, short_digest

# A unix socket's path has at most 107 bytes, and supervisord first binds one with its pid appended.
LONGEST_SOCKET_PATH = 92
FILES_WANTED = 65536

# In the environment of everything that we supervise, and of its children.
STATE_MARK = "DROPLESS_SUPERVISED"
NAME_MARK = "DROPLESS_PROCESS"
COMMAND_MARK = "DROPLESS_COMMAND_DIGEST"


@dataclass(frozen=True)
class ProcessInfo:
    """What supervisord knows about a program; `pid` is 0 when it doesn't run, `ended` when it never ended before."""

    name: str
    state: str
    pid: int
    started: int
    ended: int
    problem: str


class Supervisor:
    """One installation's supervisord; constructing it connects nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.config / "supervisor"

    @property
    def socket(self) -> Path:
        """The socket it listens on: in the state folder, or in a private folder if that path is too long."""
        path = self._settings.state / "supervisor.sock"
        return path if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH else _private_folder(self._settings) / "s.sock"

    @property
    def pid_file(self) -> Path:
        """Where it writes its process id."""
        return self._settings.state / "supervisord.pid"

    def running(self) -> bool:
        """Whether it answers."""
        try:
            self._call("getPID")
        except DroplessError:
            return False
        return True

    def start(self) -> None:
        """Start it with no program running; it outlives us.

        Raises:
            DroplessError: it ended at once, with the last line it wrote.
        """
        self._settings.logs.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        self._programs.mkdir(parents=True, exist_ok=True)
        config = self._folder / "supervisord.conf"
        config.write_text(self._config())
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        answer = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
            env=environment | {STATE_MARK: str(self._settings.state)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        if answer.returncode:
            lines = (answer.stdout + answer.stderr).strip().splitlines()
            raise DroplessError(f"supervisord did not start: {lines[-1] if lines else answer.returncode}")

    def shutdown(self) -> None:
        """Stop every program, in reverse of the order of starting, and supervisord itself."""
        self._call("shutdown")

    def processes(self) -> dict[str, ProcessInfo]:
        """Every program that it has, by name."""
        answer: Any = self._call("getAllProcessInfo")
        return {
            each["name"]: ProcessInfo(
                each["name"], each["statename"], each["pid"], each["start"], each["stop"], each["spawnerr"]
            )
            for each in answer
        }

    def put(self, process: Process, priority: int) -> None:
        """Make the program known, or known anew, stopped."""
        self._programs.mkdir(parents=True, exist_ok=True)
        path = self._programs / f"{process.name}.conf"
        path.write_text(program(process, priority, self._settings))
        self.remove(process.name)
        self._call("reloadConfig")
        self._call("addProcessGroup", process.name)

    def remove(self, name: str) -> None:
        """Forget a program, stopping it first; one that is not known is fine."""
        self.stop(name)
        self._call("removeProcessGroup", name, accept={Faults.BAD_NAME})

    def start_program(self, name: str) -> None:
        """Start a program without waiting for it; one that runs is fine."""
        self._call("startProcess", name, False, accept={Faults.ALREADY_STARTED})

    def stop(self, name: str, *, wait: bool = True) -> None:
        """Stop a program; one that doesn't run or isn't known is fine."""
        self._call("stopProcess", name, wait, accept={Faults.NOT_RUNNING, Faults.BAD_NAME})

    @property
    def _programs(self) -> Path:
        return self._folder / "programs"

    def _call(self, method: str, *arguments: Any, accept: Collection[int] = ()) -> Any:
        proxy = xmlrpc.client.ServerProxy(
            "http://localhost", transport=SupervisorTransport(None, None, f"unix://{self.socket}")
        )
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in accept:
                return None
            raise DroplessError(
                f"supervisord refused {method} {' '.join(map(str, arguments))}: {fault.faultString}."
            ) from None
        except (OSError, xmlrpc.client.ProtocolError):
            raise NotRunning(f"The platform is not running in {self._settings.state}: run `dropless up`.") from None

    def _config(self) -> str:
        logs = self._settings.logs
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
        return "\n".join(
            [
                "[unix_http_server]",
                f"file = {_escaped(self.socket)}",
                "chmod = 0700",
                "[rpcinterface:supervisor]",
                "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
                "[supervisord]",
                f"logfile = {_escaped(logs / 'supervisord.log')}",
                f"pidfile = {_escaped(self.pid_file)}",
                f"childlogdir = {_escaped(logs)}",
                f"directory = {_escaped(self._settings.state)}",
                f"minfds = {files}",
                # Root it is, if root started us; supervisord warns unless told so.
                *(["user = root"] if os.geteuid() == 0 else []),
                "[include]",
                f"files = {_escaped(self._programs)}/*.conf",
                "",
            ]
        )


class NotRunning(DroplessError):
    """There is no supervisord in this state folder."""


def program(process: Process, priority: int, settings: Settings) -> str:
    """A program's section of supervisord's configuration."""
    environment = dict(process.environment) | {
        STATE_MARK: str(settings.state),
        NAME_MARK: process.name,
        COMMAND_MARK: process.command_digest,
    }
    quoted = ",".join(f'{name}="{_escaped(value)}"' for name, value in environment.items())
    lines = [
        f"[program:{process.name}]",
        f"command = {_escaped(shlex.join(process.argv))}",
        f"environment = {quoted}",
        f"directory = {_escaped(process.directory)}",
        f"priority = {priority}",
        # `up` starts programs itself, in the order in which they need each other.
        "autostart = false",
        "autorestart = true",
        "startsecs = 2",
        "startretries = 10",
        f"stopsignal = {process.stop_signal}",
        f"stopwaitsecs = {process.stop_seconds}",
        "stopasgroup = true",
        "killasgroup = true",
        "redirect_stderr = true",
        f"stdout_logfile = {_escaped(log_file(settings, process.name))}",
        "stdout_logfile_maxbytes = 10MB",
        "stdout_logfile_backups = 3",
    ]
    if process.user:
        lines.append(f"user = {process.user}")
    return "\n".join(lines) + "\n"


def log_file(settings: Settings, name: str) -> Path:
    """The newest log of a program."""
    return settings.logs / f"{name}.log"


def _escaped(text: object) -> str:
    # supervisord expands % and treats " ;" as a comment's beginning.
    return str(text).replace("%", "%%")


def _private_folder(settings: Settings) -> Path:
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    folder = base / f"dropless-{os.geteuid()}-{short_digest(str(settings.state))[:8]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise DroplessError(f"{folder} belongs to someone else or is open to others: remove it.")
    return folder
