"""Run other programs so that none outlives us and each failure becomes one sentence."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from dropless.errors import DroplessError


class CommandFailed(DroplessError):
    """A program ended with an error; worth another try when it was downloading."""


class DiskFull(DroplessError):
    """There was no room left; another try would not help."""


class Ended(DroplessError):
    """We are being interrupted; nothing more is started."""


_ending = threading.Event()
_running: set[subprocess.Popen[bytes]] = set()
_guard = threading.Lock()


def run(
    argv: Sequence[str],
    *,
    what: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    cwd: Path | None = None,
    stdin: str = "",
) -> str:
    """Run a program to its end and return its output, which also goes to `log`.

    `what` completes the sentence "… failed". With `user`, it runs as that user and no group of ours.

    Raises:
        CommandFailed: it could not be started or ended with an error.
        Ended: `end_all` was called, before or while it ran.
        DiskFull: it said that no space is left.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    executable = shutil.which(argv[0])
    if executable is None:
        raise CommandFailed(f"{what} failed: there is no program {argv[0]}.")
    if _ending.is_set():
        raise Ended(f"{what} was interrupted.")
    with log.open("wb") as output, tempfile.TemporaryFile() as given:
        # A file without a name, since what is given may hold a password.
        given.write(stdin.encode())
        given.seek(0)
        child = subprocess.Popen(
            [executable, *argv[1:]],
            stdin=given,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(os.environ) | dict(environment or {}),
            cwd=cwd,
            start_new_session=True,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        with _guard:
            _running.add(child)
        try:
            code = child.wait()
        finally:
            _end(child)
    text = log.read_text(errors="replace")
    if _ending.is_set():
        raise Ended(f"{what} was interrupted.")
    if code == 0:
        return text
    if "no space left on device" in text.lower():
        raise DiskFull(f"{what} failed: the disk is full.")
    raise CommandFailed(f"{what} failed: {_reason(text, code)} ({log} has the details).")


def end_all() -> None:
    """End every program that `run` started, and let it start no other: for an interrupted command."""
    _ending.set()
    with _guard:
        children = list(_running)
    for child in children:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    # The whole session, since Maven and Go start children of their own.
    if child.poll() is None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(child.pid, number)
                child.wait(timeout=5)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
            break
    with _guard:
        _running.discard(child)


def _reason(text: str, code: int) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
    chosen = (errors or lines or [f"exit code {code}"])[0 if errors else -1]
    return chosen.removeprefix("[ERROR] ")[:300].rstrip(".")
